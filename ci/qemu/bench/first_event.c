// Stands between host and agent and tells how long the agent itself ran until the first event left it, which carries the text that is looked for.
//
//   first_event          the agent to the host: runs /usr/bin/ktap-agent, hands on what both say, writes /tmp/first
//   first_event loop     the program whose calls are the events: it calls getppid(2) until it is killed
//
// /tmp/first is two numbers: nanoseconds that the agent ran before it got the first large message, which is the program, and at the first event.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT "first_event"
#define LARGE 96	/* bytes: what comes before is a greeting */

static long ran(pid_t agent)
{
	char name[64];
	long time = -1;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/schedstat", agent);
	file = fopen(name, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &time) != 1)
		time = -1;
	fclose(file);
	return time;
}

static int hand_on(int from, int to, char *bytes, size_t room, ssize_t *got)
{
	*got = read(from, bytes, room);
	if (*got <= 0)
		return 0;
	for (ssize_t done = 0; done < *got;) {
		ssize_t size = write(to, bytes + done, *got - done);

		if (size < 0)
			return 0;
		done += size;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static char bytes[1 << 16];
	int down[2], up[2], seen = 0;
	long loaded = -1;
	ssize_t got;
	pid_t agent;

	if (argc > 1 && !strcmp(argv[1], "loop")) {
		for (;;)
			syscall(SYS_getppid);
	}
	signal(SIGPIPE, SIG_IGN);
	if (pipe(down) || pipe(up))
		return 1;
	agent = fork();
	if (agent == 0) {
		dup2(down[0], 0);
		dup2(up[1], 1);
		close(down[1]);
		close(up[0]);
		execl("/usr/bin/ktap-agent", "ktap-agent", (char *)NULL);
		_exit(127);
	}
	close(down[0]);
	close(up[1]);
	for (;;) {
		struct pollfd both[2] = { { .fd = down[1] < 0 ? -1 : 0, .events = POLLIN }, { .fd = up[0], .events = POLLIN } };

		if (poll(both, 2, -1) < 0)
			break;
		if (both[0].revents) {
			long before = ran(agent);

			if (!hand_on(0, down[1], bytes, sizeof(bytes), &got)) {
				close(down[1]);
				down[1] = -1;
			} else if (loaded < 0 && got >= LARGE) {
				loaded = before;
			}
		}
		if (both[1].revents) {
			long now = ran(agent);

			if (!hand_on(up[0], 1, bytes, sizeof(bytes), &got))
				break;
			if (!seen && memmem(bytes, got, TEXT, strlen(TEXT))) {
				FILE *out = fopen("/tmp/first", "w");

				if (out) {
					fprintf(out, "%ld %ld\n", loaded, now);
					fclose(out);
				}
				seen = 1;
			}
		}
	}
	waitpid(agent, NULL, 0);
	return 0;
}
