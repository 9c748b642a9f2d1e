// Attacks /dev/ktap: random and mutated requests in likely and unlikely orders, from several threads on shared files.
//
//   ktap_fuzz record PID FILE              writes down the requests that process PID makes, until it ends or a signal comes
//   ktap_fuzz run FILE SECONDS THREADS SEED
//
// The kernel must answer everything with errors at most. A record of FILE is: kind, bytes of input, room for output, each 32 bits; the input.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_BLOBS 512
#define MOST_INPUT (1 << 20)
#define MOST_OUTPUT (1 << 16)
#define SHARED 4
#define KINDS 9
#define KIND_LOAD 1
#define KIND_ATTACH 4
#define LOAD_FLAGS 4	/* offset of Load.flags, whose bit 0 lets a program change the kernel */

struct request {
	uint64_t input, output;
	uint32_t input_len, output_len;
};

struct blob {
	uint32_t kind, len, room;
	uint8_t *bytes;
};

static struct blob blobs[MOST_BLOBS];
static int blob_count;
static int shared[SHARED];
static time_t end;
static unsigned long answers[64], errors[256], requests;

// ---- recording ----

static volatile sig_atomic_t over;

static void stop(int signal)
{
	(void)signal;
	over = 1;
}

static void note(int memory, FILE *out, uint64_t command, uint64_t argument)
{
	struct request request;
	uint32_t head[3];
	uint8_t *bytes;

	if (((command >> 8) & 0xff) != 'K' || pread(memory, &request, sizeof(request), argument) != sizeof(request))
		return;
	if (request.input_len > MOST_INPUT)
		return;
	bytes = calloc(1, request.input_len + 1);
	if (!request.input_len || pread(memory, bytes, request.input_len, request.input) == request.input_len) {
		head[0] = command & 0xff;
		head[1] = request.input_len;
		head[2] = request.output_len;
		fwrite(head, sizeof(head), 1, out);
		fwrite(bytes, request.input_len, 1, out);
		fflush(out);
	}
	free(bytes);
}

static int record(pid_t pid, const char *file)
{
	struct __ptrace_syscall_info info;
	FILE *out = fopen(file, "w");
	struct sigaction action = { .sa_handler = stop };
	char place[32];
	int status, memory;

	snprintf(place, sizeof(place), "/proc/%d/mem", pid);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (!out || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) || ptrace(PTRACE_INTERRUPT, pid, 0, 0)) {
		perror("record");
		return 1;
	}
	memory = open(place, O_RDONLY);
	if (memory < 0) {
		perror(place);
		return 1;
	}
	while (!over && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status);

		if (signal == (SIGTRAP | 0x80)) {
			signal = 0;
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
			    info.entry.nr == SYS_ioctl)
				note(memory, out, info.entry.args[1], info.entry.args[2]);
		} else if (status >> 16) {
			signal = 0;
		}
		ptrace(PTRACE_SYSCALL, pid, 0, signal);
	}
	close(memory);
	return fclose(out) != 0;
}

// ---- running ----

static uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
	return limit ? next(state) % limit : 0;
}

static int load_blobs(const char *file)
{
	FILE *in = fopen(file, "r");
	uint32_t head[3];

	while (in && blob_count < MOST_BLOBS && fread(head, sizeof(head), 1, in) == 1 && head[1] <= MOST_INPUT) {
		struct blob *blob = &blobs[blob_count];

		*blob = (struct blob){ head[0], head[1], head[2], calloc(1, head[1] + 1) };
		if (head[1] && fread(blob->bytes, head[1], 1, in) != 1)
			break;
		blob_count++;
	}
	if (in)
		fclose(in);
	return blob_count;
}

// Changes some of the bytes in one of the ways that find most: bits, numbers of every size at their edges, lengths, pieces of other requests.
static uint32_t mutate(uint64_t *state, uint8_t *bytes, uint32_t len)
{
	static const uint64_t edges[] = { 0, 1, 2, 7, 8, 15, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
					  0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffff888000000000, 0xffffffff81000000 };
	uint32_t times = 1 + below(state, 4);

	while (times--) {
		uint32_t at = below(state, len);

		switch (below(state, 6)) {
		case 0:
			if (len)
				bytes[at] ^= 1 << below(state, 8);
			break;
		case 1: {
			uint64_t edge = edges[below(state, sizeof(edges) / sizeof(*edges))];
			uint32_t size = 1 << below(state, 4);

			if (len >= size)
				memcpy(bytes + at / size * size - (at / size * size + size > len ? size : 0), &edge, size);
			break;
		}
		case 2:
			len = below(state, len + 1);
			break;
		case 3:
			if (len + 64 < MOST_INPUT)
				len += below(state, 64);
			break;
		case 4: {
			const struct blob *other = &blobs[below(state, blob_count)];
			uint32_t from = below(state, other->len), size = below(state, 64);

			if (from + size <= other->len && at + size <= len)
				memcpy(bytes + at, other->bytes + from, size);
			break;
		}
		default:
			for (uint32_t i = 0; i < 8 && len; i++)
				bytes[below(state, len)] = next(state);
		}
	}
	return len;
}

static void ask(uint64_t *state, int file, const struct blob *blob, uint8_t *input, uint8_t *output, int wild)
{
	struct request request = { (uintptr_t)input, (uintptr_t)output, blob->len, blob->room };
	unsigned long command = 3UL << 30 | sizeof(request) << 16 | 'K' << 8 | blob->kind;
	int result;

	memcpy(input, blob->bytes, blob->len);
	if (wild)
		request.input_len = mutate(state, input, blob->len);
	if (wild && !below(state, 16))
		command ^= 1UL << below(state, 32);
	if (wild && !below(state, 16))
		request.output_len = next(state) >> below(state, 64);
	if (wild && !below(state, 32))
		request.input = next(state) >> below(state, 64);
	if (wild && !below(state, 32))
		request.output = next(state) >> below(state, 64);
	if (request.output == (uintptr_t)output && request.output_len > MOST_OUTPUT)
		request.output_len = MOST_OUTPUT;
	// The machine itself must live on: no program here may change what the kernel returns.
	if (blob->kind == KIND_LOAD && request.input_len > LOAD_FLAGS)
		input[LOAD_FLAGS] &= ~1;
	memset(output, 0xff, 16);
	result = ioctl(file, command, &request);
	__atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);
	if (result < 0)
		__atomic_add_fetch(&errors[errno & 255], 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&answers[output[0] & 63], 1, __ATOMIC_RELAXED);
}

static const struct blob *of_kind(uint64_t *state, uint32_t kind)
{
	for (int tries = 0; tries < 64; tries++) {
		const struct blob *blob = &blobs[below(state, blob_count)];

		if (blob->kind == kind)
			return blob;
	}
	return NULL;
}

static void other_calls(uint64_t *state, int file, uint8_t *output)
{
	struct pollfd wait = { .fd = file, .events = POLLIN };
	void *memory;

	switch (below(state, 5)) {
	case 0:
		if (read(file, output, below(state, MOST_OUTPUT)) < 0)
			break;
		break;
	case 1:
		poll(&wait, 1, 1);
		break;
	case 2:
		if (write(file, output, below(state, 64)) < 0)
			break;
		break;
	case 3:
		memory = mmap(NULL, 4096 << below(state, 8), PROT_READ | below(state, 2) * PROT_WRITE, MAP_SHARED, file,
			      (off_t)below(state, 64) * 4096);
		if (memory != MAP_FAILED)
			munmap(memory, 4096);
		break;
	default:
		if (read(file, (void *)(uintptr_t)(next(state) >> below(state, 64)), 4096) < 0)
			break;
	}
}

// One session in the usual order, with a mutation here and there.
static void session(uint64_t *state, int file, uint8_t *input, uint8_t *output)
{
	static const uint32_t order[] = { 0, 1, 2, 3, 4, 4, 4, 5, 8, 6, 7, 8 };
	uint32_t wildness = below(state, 4) ? 8 : 1;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		const struct blob *blob = of_kind(state, below(state, 24) ? order[i] : below(state, KINDS));

		if (!blob)
			continue;
		ask(state, file, blob, input, output, !below(state, wildness));
		if (!below(state, 4))
			other_calls(state, file, output);
	}
}

static void *attack(void *seed)
{
	uint64_t state = (uintptr_t)seed * 0x9e3779b97f4a7c15 + 1;
	uint8_t *input = malloc(MOST_INPUT), *output = malloc(MOST_OUTPUT + 4096);

	while (time(NULL) < end) {
		int which = below(&state, SHARED), file;

		if (below(&state, 3)) {
			file = open("/dev/ktap", O_RDWR | (below(&state, 2) ? O_NONBLOCK : 0));
			if (file < 0)
				continue;
			// Never blocks on a read for ever.
			fcntl(file, F_SETFL, O_NONBLOCK);
			session(&state, file, input, output);
			close(file);
			continue;
		}
		// A file that other threads use, and close, at this very moment.
		file = __atomic_load_n(&shared[which], __ATOMIC_RELAXED);
		if (file < 0 || !below(&state, 8)) {
			int fresh = open("/dev/ktap", O_RDWR | O_NONBLOCK);

			file = __atomic_exchange_n(&shared[which], fresh, __ATOMIC_RELAXED);
			if (file >= 0)
				close(file);
			file = fresh;
		}
		if (file >= 0)
			session(&state, file, input, output);
	}
	free(input);
	free(output);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	long count;

	if (argc == 4 && !strcmp(argv[1], "record"))
		return record(atoi(argv[2]), argv[3]);
	if (argc != 6 || strcmp(argv[1], "run") || !load_blobs(argv[2])) {
		fprintf(stderr, "nothing to do, or no requests in the file\n");
		return 2;
	}
	end = time(NULL) + strtol(argv[3], NULL, 0);
	count = strtol(argv[4], NULL, 0) % 64;
	for (int i = 0; i < SHARED; i++)
		shared[i] = -1;
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, attack, (void *)(strtol(argv[5], NULL, 0) * 64 + i + 1));
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%lu requests from %d recorded;", requests, blob_count);
	for (int i = 0; i < 64; i++) {
		if (answers[i])
			printf(" code %d: %lu", i, answers[i]);
	}
	for (int i = 0; i < 256; i++) {
		if (errors[i])
			printf(" errno %d: %lu", i, errors[i]);
	}
	printf("\n");
	return answers[0] == 0;
}
