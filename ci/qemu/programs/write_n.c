// Writes 1, 2, 3, ... bytes to /dev/null, as many times as its argument says: counts, sizes and return values that a test can know.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long writes = argc > 1 ? strtol(argv[1], NULL, 0) : 1;
	static char bytes[1 << 16];
	int null = open("/dev/null", O_WRONLY);

	for (long i = 1; i <= writes; i++) {
		if (write(null, bytes, (size_t)i) != i)
			return 1;
	}
	return 0;
}
