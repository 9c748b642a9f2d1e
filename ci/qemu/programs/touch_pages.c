// Touches as many fresh pages as its argument says: each is a page fault.
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long pages = argc > 1 ? strtol(argv[1], NULL, 0) : 1;
	long size = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, pages * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, pages * size, MADV_NOHUGEPAGE);
	for (long i = 0; i < pages; i++)
		*(volatile char *)(memory + i * size) = 1;
	return 0;
}
