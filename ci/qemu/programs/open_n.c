// Opens a file as often as its second argument says, in one way of its own: O_RDONLY | O_NOFOLLOW.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "/etc/passwd";
	long opens = argc > 2 ? strtol(argv[2], NULL, 0) : 1;

	for (long i = 0; i < opens; i++)
		close(open(name, O_RDONLY | O_NOFOLLOW));
	return 0;
}
