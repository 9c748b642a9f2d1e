/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The border between Rust and C: kp_* is what Rust gives, kph_* what C gives, nothing else crosses.
 *
 * C knows the kernel's structures and how to attach, and decides nothing. Rust checks requests, runs programs and decides, and knows no structure of the
 * kernel. Everything here is callable in any context unless it says "process".
 */
#ifndef KTAP_BORDER_H
#define KTAP_BORDER_H

#include <linux/types.h>

struct ktap_session;	/* C's part of an open file */
struct ktap_probe;	/* C's part of an attached probe */
struct kp_session;	/* Rust's part of an open file: kp_session_size() zeroed bytes, aligned to 64 */

/* Contexts a handler runs in. Each CPU has a frame for each; frame = cpu * KTAP_LEVELS + level. Main, ticks and ends run in the last frame. */
enum ktap_level { KTAP_TASK, KTAP_SOFTIRQ, KTAP_HARDIRQ, KTAP_NMI, KTAP_LEVELS };

/* An event, on the stack of the probe. What an event has not is 0, but words from words_len on, which mean nothing. */
struct kp_event {
	struct ktap_probe *probe;	/* C's probe, for kph_* that need it */
	const void *regs;		/* struct pt_regs of the probed place, or NULL */
	const u8 *record;		/* the kernel's own record, or NULL */
	u64 words[8];			/* words_len of them: system calls: number, then arguments or return value; return probes: return value */
	u64 ip;				/* the probed address; the function of a return probe */
	u64 caller;			/* functions: the caller; return probes: the return address */
	u32 record_len;
	u16 words_len;
	u8 level;			/* enum ktap_level */
	u8 user_regs;			/* regs are of user space (uprobes) */
	u32 cpu;
	u32 pid, tid;			/* TGID and PID of current */
	u32 reserved;
};

/* What Rust tells C to attach. Strings are NUL-terminated and live as long as the session. */
struct kph_attach {
	u32 kind;		/* ktap_device::attach::Kind */
	u32 perf_type;
	s32 syscall;
	u32 needs_words;	/* fill kp_event.words of system calls */
	u32 idle;		/* kp_event would do nothing: the event is only counted */
	u32 reserved;
	u64 offset, extra, config;
	const char *name;
	const void *filter;	/* not NULL: there is a filter, for information */
};

/* ---- kp_*: Rust gives ---- */

size_t kp_session_size(void);
/* Process. Must be called once before anything else of the session. */
void kp_session_init(struct kp_session *session, struct ktap_session *c);
/*
 * Process, under the session's mutex. The input is a kernel copy that Rust may keep (kph_keep_input) and write to. Returns the bytes of
 * output, or -EINVAL for an unknown kind or too small an output.
 */
long kp_request(struct kp_session *session, u32 kind, u8 *input, size_t input_len, u8 *output, size_t output_len);
/* Process. After all probes are detached and no handler runs: gives everything back with kph_free. */
void kp_session_free(struct kp_session *session);

/*
 * Any context, preemption off. Runs the handler of a probe; `rust` is what kph_attach was given. Returns 0, or 1 if the program is over: then
 * C stops firing and wakes whoever polls.
 */
int kp_event(void *rust, const struct kp_event *event);
/* Process, preemptible, under the session's run lock: a tick's handler, in the process frame. Returns as kp_event. */
int kp_tick(void *rust);

/* ---- kph_*: C gives ---- */

/* Process. Zeroed memory aligned to 64 (page aligned from a page on), or NULL. */
void *kph_alloc(size_t bytes);
void kph_free(void *memory);
/* Process, inside kp_request: the input stays until the session ends. */
void kph_keep_input(struct ktap_session *session);

u64 kph_time_ns(void);		/* ktime_get_mono_fast_ns: CLOCK_MONOTONIC, in any context */
u64 kph_wall_ns(void);
u32 kph_pid(void);
u32 kph_tid(void);
u32 kph_uid(void);
u32 kph_cpu(void);
u32 kph_cpus_possible(void);
u32 kph_cpus_online(void);
/* The command name into 16 bytes, NUL-padded; returns its length. */
u32 kph_comm(u8 *out);
/* uname -m and uname -r; return the length. */
const u8 *kph_machine(size_t *len);
const u8 *kph_release(size_t *len);
u32 kph_in_nmi(void);
s64 kph_in_interrupt(void);
s64 kph_in_iowait(void);
u64 kph_irq_save(void);
void kph_irq_restore(u64 flags);
/* Process, no lock held: lets others run; 0 if the caller has been killed and its program should come to an end. */
u32 kph_pause(void);
/* `bytes` 4 or 8 of task_struct at `offset`; -EINVAL outside it. */
int kph_task_field(u64 offset, u32 bytes, u64 *out);

/* Whose memory is read: the kernel's, the task's, or that of the two which has such addresses. */
enum ktap_memory { KTAP_KERNEL_MEMORY, KTAP_USER_MEMORY, KTAP_ANY_MEMORY };

/* Never fault, never sleep. Address ranges are checked: kernel reads take kernel addresses only, user reads user addresses only. 0 or -EFAULT. */
int kph_read(u32 memory, u64 address, void *out, size_t len);
/* A NUL-terminated string of at most `len` bytes, without its NUL; what could not be read ends it. Returns its length. */
size_t kph_read_str(u32 memory, u64 address, u8 *out, size_t len);

/* The stack at the probed place, innermost first, none of our own or the tracer's frames; `event` may be NULL (main). Returns frames. */
u32 kph_stack(const struct kp_event *event, u32 user, u32 skip, u64 *out, u32 room);
/* A register by its name without %: its offset in struct pt_regs, or -1. */
s64 kph_register(const u8 *name, size_t len);
u64 kph_regs_word(const void *regs, u32 offset);
/* $argN from 1 by the calling convention, 0 if it is not in a register; $retval; the stack pointer. */
u64 kph_regs_argument(const void *regs, u32 n);
u64 kph_regs_retval(const void *regs);
u64 kph_regs_stack(const void *regs);
/* All registers as text for e.regstr; returns bytes. */
size_t kph_regs_text(const void *regs, u8 *out, size_t room);
/* Overrides what the probed function or system call returns: 0, -EOPNOTSUPP, -EPERM. */
int kph_set_retval(const struct kp_event *event, u64 value);

/* Per-CPU rings. Puts one entry; 0, or -ENOSPC when the ring is full. Nested contexts may interrupt one another. */
int kph_ring_write(struct ktap_session *session, u64 time_ns, u16 probe, const u8 *body, u32 len);
/* Process, at load: -ENOMEM. */
int kph_ring_open(struct ktap_session *session, u32 bytes_per_cpu);
u64 kph_ring_waiting(struct ktap_session *session);

/* Process. Scope as ktap_device::load::Scope; 0, -EBUSY after kph_enable, or what following children fails with. */
int kph_scope(struct ktap_session *session, u32 only, u32 follow, s32 cpu, const u32 *excluded, u32 excluded_count);
/*
 * Process. Puts a probe in place that calls kp_event(rust, ..) or kp_tick(rust) once enabled. 0 and `matched`, or a negative errno: -EOPNOTSUPP with
 * `*lacking` set (ktap_device::attach::Lacking) for what this kernel cannot do, -ENOENT for a name that is not there.
 */
int kph_attach(struct ktap_session *session, const struct kph_attach *what, void *rust, u32 *matched, u32 *lacking);
void kph_enable(struct ktap_session *session);
/*
 * Process. From now on nothing fires. Takes probes out, for about 100 ms unless `all`; returns how many are left, to be called again. With 0 every probe
 * is gone and no handler runs; probes' counts stay until the session ends.
 */
u32 kph_detach(struct ktap_session *session, u32 all);
/* Times the kernel itself missed the i-th probe that was attached (kretprobes' nmissed, throttled perf events), and handler runs in all. */
u64 kph_missed(struct ktap_session *session, u32 i);
u64 kph_events(struct ktap_session *session);
/* Bit n: this kernel can attach kind n. */
u64 kph_kinds(void);

#endif
