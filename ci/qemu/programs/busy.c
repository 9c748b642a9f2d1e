// Keeps every CPU busy for as many seconds as its argument says: system calls, forks, programs, files, the network, memory, timers.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static time_t end;

static void call(long cpu)
{
	for (int i = 0; i < 1000; i++)
		syscall(SYS_getppid);
	(void)cpu;
}

static void make_processes(long cpu)
{
	pid_t child = fork();

	(void)cpu;
	if (child == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
}

static void use_files(long cpu)
{
	char name[64], bytes[4096] = { 0 };
	int file;

	snprintf(name, sizeof(name), "/tmp/busy.%ld.%d", cpu, getpid());
	file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < 16 && file >= 0; i++) {
		if (write(file, bytes, sizeof(bytes)) < 0 || pread(file, bytes, sizeof(bytes), 0) < 0)
			break;
	}
	close(file);
	rename(name, "/tmp/busy.renamed");
	unlink("/tmp/busy.renamed");
}

static void talk(long cpu)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(20000 + cpu) };
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char bytes[1024] = { 0 };
	int peer;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(server, (struct sockaddr *)&address, sizeof(address)) && !listen(server, 1) &&
	    !connect(client, (struct sockaddr *)&address, sizeof(address))) {
		peer = accept(server, NULL, NULL);
		for (int i = 0; i < 32 && peer >= 0; i++) {
			if (send(client, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 || recv(peer, bytes, sizeof(bytes), 0) < 0)
				break;
		}
		close(peer);
	}
	close(client);
	close(server);
}

static void use_memory(long cpu)
{
	size_t size = 64 * 4096;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)cpu;
	if (memory == MAP_FAILED)
		return;
	memset(memory, 1, size);
	mprotect(memory, size, PROT_READ);
	munmap(memory, size);
}

static void nap(long cpu)
{
	const struct timespec moment = { .tv_nsec = 100 * 1000 };

	(void)cpu;
	nanosleep(&moment, NULL);
}

static void work(long cpu)
{
	static void (*const all[])(long) = { call, make_processes, use_files, talk, use_memory, nap };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (size_t i = 0; time(NULL) < end; i++)
		all[i % (sizeof(all) / sizeof(*all))](cpu);
	_exit(0);
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 0) : 5);
	for (long cpu = 0; cpu < cpus; cpu++) {
		if (fork() == 0)
			work(cpu);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
