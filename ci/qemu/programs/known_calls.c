// Calls functions of its own, each as often as its argument says and with known arguments: probes on programs can be checked to the unit.
#include <stdio.h>
#include <stdlib.h>

// The i-th call gets (i, 3 * i) and returns 4 * i.
__attribute__((noinline, noclone)) long known_sum(long a, long b)
{
	__asm__ volatile("");
	return a + b;
}

// The text is in the program's memory.
__attribute__((noinline, noclone)) long known_text(const char *text)
{
	__asm__ volatile("");
	return text[0];
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? strtol(argv[1], NULL, 0) : 1;
	long sum = 0;

	for (long i = 1; i <= calls; i++)
		sum += known_sum(i, 3 * i) + known_text("a known text");
	printf("%ld\n", sum);
	return 0;
}
