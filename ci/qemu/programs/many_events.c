// Makes as many kinds of kernel events fire as a program can in a second: every system call, sockets, timers, signals, threads, memory.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS 451
#define PAGES 64

static const struct timespec moment = { .tv_nsec = 5 * 1000 * 1000 };
static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;

static void nothing(int signal)
{
	(void)signal;
}

// Runs `work` in a child, which may die of it.
static void apart(void (*work)(void))
{
	pid_t child = fork();

	if (child == 0) {
		alarm(2);
		work();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

// Arguments of -1 are refused by every call, but for those that take none and never return, or that would end the session.
static void every_call(void)
{
	for (long call = 0; call < CALLS; call++) {
		switch (call) {
#ifdef SYS_fork
		case SYS_fork: case SYS_vfork: case SYS_pause: case SYS_alarm:
#endif
		case SYS_exit: case SYS_exit_group: case SYS_rt_sigreturn: case SYS_vhangup: case SYS_reboot: case SYS_kill:
		case SYS_tkill: case SYS_setsid:
			continue;
		default:
			syscall(call, -1L, -1L, -1L, -1L, -1L, -1L);
		}
	}
}

static void fault(void)
{
	/* In assembly: a compiler warns of a store to where nothing can be. */
#ifdef __x86_64__
	__asm__ volatile("movl $1, 16" ::: "memory");
#else
	__asm__ volatile("str xzr, [%0]" :: "r"(16L) : "memory");
#endif
}

static void trap(void)
{
#ifdef __x86_64__
	__asm__ volatile("int3");
#else
	__asm__ volatile("brk #0");
#endif
}

static void run(void)
{
	execl("/bin/true", "true", "with arguments", (char *)NULL);
}

static void talk(int family, int type, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_storage bound;
	socklen_t bound_size = sizeof(bound);
	char bytes[3000] = "hello";
	int server = socket(family, type, 0);
	int client = socket(family, type, 0);
	int peer = server;

	if (bind(server, address, size) || getsockname(server, (struct sockaddr *)&bound, &bound_size))
		return;
	listen(server, 1);
	connect(client, (struct sockaddr *)&bound, bound_size);
	if (type == SOCK_STREAM)
		peer = accept(server, NULL, NULL);
	for (int i = 0; i < 4; i++) {
		send(client, bytes, sizeof(bytes), 0);
		recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
	close(client);
	close(peer);
	close(server);
}

static void sockets(void)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *any[] = { (struct sockaddr *)&v4, (struct sockaddr *)&v6 };
	struct sockaddr_in closed = v4;
	int refused = socket(AF_INET, SOCK_STREAM, 0);

	talk(AF_INET, SOCK_STREAM, any[0], sizeof(v4));
	talk(AF_INET, SOCK_DGRAM, any[0], sizeof(v4));
	talk(AF_INET6, SOCK_STREAM, any[1], sizeof(v6));
	talk(AF_INET6, SOCK_DGRAM, any[1], sizeof(v6));
	closed.sin_port = htons(9);
	connect(refused, (struct sockaddr *)&closed, sizeof(closed));
	close(refused);
}

static void *thread(void *argument)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)(long)argument, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&contended);
		nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 }, NULL);
		pthread_mutex_unlock(&contended);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t ids[2];

	for (long i = 0; i < 2; i++)
		pthread_create(&ids[i], NULL, thread, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
}

static void timers(void)
{
	const struct itimerspec soon = { .it_value = moment };
	const struct itimerval interval = { .it_value = { .tv_usec = 3000 } };
	int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME_ALARM, CLOCK_REALTIME_ALARM };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	timer_t timer;

	signal(SIGALRM, nothing);
	signal(SIGVTALRM, nothing);
	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		int file = timerfd_create(clocks[i], 0);

		timerfd_settime(file, 0, &soon, NULL);
		epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
		epoll_wait(epoll, &event, 1, 20);
		close(file);
	}
	setitimer(ITIMER_REAL, &interval, NULL);
	setitimer(ITIMER_VIRTUAL, &interval, NULL);
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0) {
		timer_settime(timer, 0, &soon, NULL);
		nanosleep(&moment, NULL);
		timer_delete(timer);
	}
	for (clock_t end = clock() + CLOCKS_PER_SEC / 100; clock() < end;)
		;
}

static void files(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	char bytes[8192];
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(bytes, 'x', sizeof(bytes));
	if (write(file, bytes, sizeof(bytes)) < 0)
		return;
	fcntl(file, F_SETLK, &lock);
	flock(file, LOCK_EX);
	fcntl(file, F_SETLEASE, F_RDLCK);
	fsync(file);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	close(file);
	unlink(path);
}

static void memory(void)
{
	size_t size = PAGES * 4096;
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || huge == MAP_FAILED)
		return;
	memset(pages, 1, size);
	mprotect(pages, size / 2, PROT_READ);
	madvise(pages, size, MADV_COLD);
	madvise(pages, size, MADV_PAGEOUT);
	madvise(pages, size, MADV_DONTNEED);
	mlock(pages, 4096);
	madvise(huge, 4 << 20, MADV_HUGEPAGE);
	huge[2 << 20] = 1;
	pages = mremap(pages, size, 2 * size, MREMAP_MAYMOVE);
	munmap(huge, 4 << 20);
	if (pages != MAP_FAILED)
		munmap(pages, 2 * size);
}

int main(void)
{
	apart(every_call);
	apart(fault);
	apart(trap);
	apart(run);
	sockets();
	threads();
	timers();
	files("/tmp/many_events");
	memory();
	return 0;
}
