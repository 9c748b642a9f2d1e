// Lets as many threads as its argument says sleep in the kernel at the same time, for a second.
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MOST 256

static void *nap(void *nothing)
{
	const struct timespec second = { .tv_sec = 1 };

	nanosleep(&second, NULL);
	return nothing;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 0) : 1;
	pthread_t threads[MOST];

	if (count > MOST)
		return 2;
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, nap, NULL);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
