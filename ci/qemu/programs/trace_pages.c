// Writes what is left to read of a ring buffer (per_cpu/cpuN/trace_pipe_raw) to stdout: `cat` would wait for more of it for ever.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char page[1 << 16];
	int file = argc == 2 ? open(argv[1], O_RDONLY | O_NONBLOCK) : -1;
	ssize_t size;

	if (file < 0)
		return 2;
	// The kernel hands out one page a read, filled up with zeros.
	while ((size = read(file, page, sizeof(page))) > 0) {
		if (write(1, page, (size_t)size) != size)
			return 1;
	}
	return size == 0 || errno == EAGAIN ? 0 : 1;
}
