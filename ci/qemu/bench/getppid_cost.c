// Measures a getppid(2): the least and the middle of 11 batches of 5000 calls, as nanoseconds of a batch, into the file that its argument
// names. In a guest whose clock counts instructions these are instructions.
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 11
#define CALLS 5000

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	long batches[BATCHES];
	FILE *out;

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	for (int batch = 0; batch < BATCHES; batch++) {
		long start = now();

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		batches[batch] = now() - start;
	}
	qsort(batches, BATCHES, sizeof(*batches), compare);
	out = argc > 1 ? fopen(argv[1], "w") : stdout;
	if (!out)
		return 1;
	fprintf(out, "%ld %ld\n", batches[0], batches[BATCHES / 2]);
	return fclose(out) != 0;
}
