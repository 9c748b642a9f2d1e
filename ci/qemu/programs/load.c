// Makes a mixed load of system calls for as many seconds as its argument says: a histogram of it has a shape.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 0) : 5);
	const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
	char bytes[512];
	struct stat status;

	while (time(NULL) < end) {
		int file = open("/proc/loadavg", O_RDONLY);
		int null = open("/dev/null", O_WRONLY);

		for (int i = 0; i < 8; i++) {
			ssize_t size = pread(file, bytes, sizeof(bytes), 0);

			if (size > 0 && write(null, bytes, (size_t)size) < 0)
				return 1;
		}
		for (int i = 0; i < 4; i++)
			stat("/etc/passwd", &status);
		for (int i = 0; i < 3; i++)
			syscall(SYS_getppid);
		close(file);
		close(null);
		nanosleep(&pause, NULL);
	}
	return 0;
}
