// Calls getppid(2) exactly as often as its argument says: a count that a test can know.
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long calls = argc > 1 ? strtol(argv[1], NULL, 0) : 1;

	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
	return 0;
}
