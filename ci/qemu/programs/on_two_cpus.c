// Calls getppid(2) as often as its argument says on each of the first two CPUs, on both at the same time.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls = 1;
static pthread_barrier_t start;

static void *run(void *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((long)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		exit(1);
	pthread_barrier_wait(&start);
	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];

	if (argc > 1)
		calls = strtol(argv[1], NULL, 0);
	pthread_barrier_init(&start, NULL, 2);
	for (long cpu = 0; cpu < 2; cpu++)
		pthread_create(&threads[cpu], NULL, run, (void *)cpu);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
