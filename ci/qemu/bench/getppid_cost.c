// Measures a getppid(2): the least and the middle of 11 batches of 5000 calls, as nanoseconds of a batch, into the file that its argument
// names. In a guest whose clock counts instructions these are instructions. With a second argument it measures bursts of 500 calls with a rest
// between them, scaled to a batch: whoever reads what the calls leave behind does so in the rest.
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 11
#define CALLS 5000
#define BURSTS 101
#define BURST 500

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
	const struct timespec rest = { .tv_nsec = 30 * 1000 * 1000 };
	int paced = argc > 2, count = paced ? BURSTS : BATCHES, calls = paced ? BURST : CALLS;
	long batches[BURSTS];
	FILE *out;

	for (int i = 0; i < CALLS && !paced; i++)
		syscall(SYS_getppid);
	for (int batch = 0; batch < count; batch++) {
		long start;

		if (paced)
			nanosleep(&rest, NULL);
		start = now();
		for (int i = 0; i < calls; i++)
			syscall(SYS_getppid);
		batches[batch] = (now() - start) * (CALLS / calls);
	}
	qsort(batches, count, sizeof(*batches), compare);
	out = argc > 1 ? fopen(argv[1], "w") : stdout;
	if (!out)
		return 1;
	fprintf(out, "%ld %ld\n", batches[0], batches[count / 2]);
	return fclose(out) != 0;
}
