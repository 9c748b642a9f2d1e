/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms of the glue share: the session, the probe, the table of kinds and the hot path from a probe to Rust.
 *
 * In: the border. Out: one `struct ktap_probe_kind` per kind, in ktap_kinds[]. Invariant: between ktap_enter() and ktap_leave() preemption is off and
 * nothing sleeps, prints or wakes.
 */
#ifndef KTAP_PROBE_H
#define KTAP_PROBE_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "border.h"
#include "compat.h"

/* ktap_device::attach::Kind. */
enum ktap_kind {
	KTAP_RAW_TRACEPOINT,
	KTAP_TRACEPOINT,
	KTAP_SYSCALL_ENTER,
	KTAP_SYSCALL_EXIT,
	KTAP_KPROBE,
	KTAP_KRETPROBE,
	KTAP_FUNCTION,
	KTAP_TICK,
	KTAP_PROFILE,
	KTAP_PERF_EVENT,
	KTAP_BREAKPOINT,
	KTAP_UPROBE,
	KTAP_URETPROBE,
	KTAP_FUNCTION_EXIT,
	KTAP_KINDS,
};

/* ktap_device::attach::Lacking. */
enum ktap_lacking {
	KTAP_NOT_BUILT = 1,
	KTAP_NO_STEP = 2,
	KTAP_FORBIDDEN = 3,
	KTAP_NOT_INJECTABLE = 4,
};

/* ktap_device::load::MAX_EXCLUDED. */
#define KTAP_MAX_EXCLUDED 8

struct ktap_rings;
struct ktap_syscalls;
struct ktap_tracepoints;
struct ktap_stacks;

/* An attached probe. Lives from kph_attach to the end of the session; what hangs on `data` goes with its kind's free(). */
struct ktap_probe {
	void *rust;			/* for kp_event and kp_tick */
	struct ktap_session *session;
	void *data;			/* the kind's own */
	struct ktap_probe *next;	/* the kind's own list, see probe_syscall.c */
	const struct ktap_probe_kind *ops;
	u64 missed;			/* kept from ops->missed() when it is detached */
	atomic64_t nested;		/* events that fell into what Rust had locked */
	u16 kind;			/* enum ktap_kind */
	bool attached;			/* between attach and free */
	bool out;			/* taken out, but its handler may still run */
	bool needs_words;
	bool idle;			/* the handler does nothing */
	s32 syscall;
};

/*
 * A kind of probe. All of these are called in process context under the session's mutex; what is not needed may be NULL.
 *
 * attach:  puts the probe in place; everything it leaves behind hangs on probe->data. On failure it leaves nothing. `what` and its strings live only during
 *          the call (kph_attach's strings live as long as the session, the structure does not). 0 or negative errno as kph_attach.
 * enable:  called by kph_enable before probes may fire, for what must be started and not only let through (timers).
 * detach:  takes all probes of this kind of a session out at once, so that the kernel can batch; may sleep, need not wait for running handlers that
 *          synchronize_rcu(), tracepoint_synchronize_unregister() or sync() wait for.
 * sync:    waits for handlers that those two do not cover. Once per kind, only if the session had such a probe.
 * missed:  times the kernel missed the probe. Called at any time while attached, and once more after detach and sync, before free.
 * free:    no handler runs any more: gives probe->data back.
 * available: this kernel can do it at all. NULL: always.
 */
struct ktap_probe_kind {
	int (*attach)(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking);
	int (*enable)(struct ktap_probe *probe);
	void (*detach)(struct ktap_probe **probes, unsigned int count);
	void (*sync)(void);
	u64 (*missed)(struct ktap_probe *probe);
	void (*free)(struct ktap_probe *probe);
	bool (*available)(void);
};

extern const struct ktap_probe_kind ktap_raw_tracepoint;
extern const struct ktap_probe_kind ktap_tracepoint;
extern const struct ktap_probe_kind ktap_syscall_enter;
extern const struct ktap_probe_kind ktap_syscall_exit;
extern const struct ktap_probe_kind ktap_kprobe;
extern const struct ktap_probe_kind ktap_kretprobe;
extern const struct ktap_probe_kind ktap_function;
extern const struct ktap_probe_kind ktap_function_exit;
extern const struct ktap_probe_kind ktap_tick;
extern const struct ktap_probe_kind ktap_profile;
extern const struct ktap_probe_kind ktap_perf_event;
extern const struct ktap_probe_kind ktap_breakpoint;
extern const struct ktap_probe_kind ktap_uprobe;
extern const struct ktap_probe_kind ktap_uretprobe;

/* C's part of an open file. What the hot path reads stands first. */
struct ktap_session {
	bool enabled;			/* probes fire */
	bool over;			/* the program has ended: poll says so */
	bool follow;
	bool narrow;			/* `only` or `cpu` is said */
	u32 only;			/* TGID, 0: all */
	s32 cpu;			/* -1: all */
	u32 excluded_count;
	unsigned long excluded_mask;	/* bit n: one of them is n modulo the bits of a word */
	u32 excluded[KTAP_MAX_EXCLUDED];
	unsigned long *followed;	/* bit per TGID: `only` and its descendants */
	u64 __percpu *events;
	struct ktap_rings *rings;
	struct ktap_stacks __percpu *stacks;

	struct kp_session *rust;
	struct mutex mutex;		/* requests: attach, detach, all of Rust's process side but ticks */
	struct mutex run;		/* the process frame: main, ends and ticks */
	struct mutex reading;		/* the readers' side of the rings */

	struct ktap_probe **probes;	/* in the order of attachment */
	u32 probe_count, probe_room;
	struct ktap_tracepoints *tracepoints;	/* names to tracepoints, made at the first raw one */
	struct ktap_syscalls *syscalls;

	void *input;			/* of the request being served */
	bool keep_input;
	struct list_head inputs;	/* those that Rust keeps */

	wait_queue_head_t wait;
	struct irq_work wake_work;
	struct hrtimer wake_timer;
	u32 wake_state;			/* ring.c */
};

/*
 * The level of the code that runs now. NMI, hard and soft interrupts are in preempt_count whether or not the kernel counts preemption; where soft interrupts
 * are threads (PREEMPT_RT) they cannot interrupt a handler, so that they may share the task's frame.
 */
static __always_inline u8 ktap_level_of(unsigned int count)
{
	if (likely(!(count & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET))))
		return KTAP_TASK;
	if (count & NMI_MASK)
		return KTAP_NMI;
	return count & HARDIRQ_MASK ? KTAP_HARDIRQ : KTAP_SOFTIRQ;
}

/*
 * The level of the code that a trap (int3, #DB) interrupted: where the kernel counts the trap itself as an NMI and the interrupted code had interrupts on, it was
 * no NMI. With interrupts off nobody can tell, so it stays one.
 */
static __always_inline u8 ktap_level_behind_trap(const struct pt_regs *regs)
{
	unsigned int count = preempt_count();

	if ((count & NMI_MASK) && (user_mode((struct pt_regs *)regs) || !irqs_disabled_flags(ktap_regs_flags(regs))))
		count -= NMI_OFFSET + HARDIRQ_OFFSET;
	return ktap_level_of(count);
}

bool ktap_scope_follows(const struct ktap_session *session, u32 pid);
bool ktap_scope_narrow(const struct ktap_session *session, u32 pid, s32 cpu);
void ktap_session_over(struct ktap_session *session);

/* Whether events of this process and CPU count. */
static __always_inline bool ktap_in_scope(const struct ktap_session *session, u32 pid, s32 cpu)
{
	u32 i;

	if (unlikely(session->excluded_mask >> (pid % BITS_PER_LONG) & 1))
		for (i = 0; i < session->excluded_count; i++)
			if (session->excluded[i] == pid)
				return false;
	return likely(!session->narrow) || ktap_scope_narrow(session, pid, cpu);
}

/*
 * The first half of the hot path: false when nothing is to run. When true, preemption is off until ktap_leave() and the event knows where it is. `level` is
 * ktap_level_of(preempt_count()) but for traps.
 */
static __always_inline bool ktap_enter_at(const struct ktap_session *session, struct kp_event *event, u8 level)
{
	u32 cpu, pid;

	if (unlikely(!READ_ONCE(session->enabled)))
		return false;
	preempt_disable_notrace();
	cpu = raw_smp_processor_id();
	pid = current->tgid;
	event->tid = current->pid;
	/* Once each: put together into one word they would cost more. */
	WRITE_ONCE(event->cpu, cpu);
	WRITE_ONCE(event->pid, pid);
	event->level = level;
	if (likely(ktap_in_scope(session, pid, cpu)))
		return true;
	preempt_enable_notrace();
	return false;
}

static __always_inline bool ktap_enter(const struct ktap_session *session, struct kp_event *event)
{
	return ktap_enter_at(session, event, ktap_level_of(preempt_count()));
}

static __always_inline void ktap_leave(void)
{
	preempt_enable_notrace();
}

/* An event of which only the probe is known, and its place once it is entered. Words are not touched: those from words_len on mean nothing. */
static __always_inline void ktap_event_init(struct kp_event *event, struct ktap_probe *probe)
{
	event->probe = probe;
	event->regs = NULL;
	event->record = NULL;
	event->ip = 0;
	event->caller = 0;
	event->record_len = 0;
	event->words_len = 0;
	event->user_regs = 0;
}

/* What an event of an idle probe comes to: it need not even be made. */
static __always_inline bool ktap_idle(const struct ktap_probe *probe)
{
	if (likely(!probe->idle))
		return false;
	this_cpu_inc(*probe->session->events);
	return true;
}

/* The second half: runs the handler. Between ktap_enter and ktap_leave. */
static __always_inline void ktap_run(struct ktap_probe *probe, struct kp_event *event)
{
	this_cpu_inc(*probe->session->events);
	if (unlikely(kp_event(probe->rust, event)))
		ktap_session_over(probe->session);
}

/*
 * True if the event fell into a place where Rust holds a lock on this CPU: a probe on memcpy, a watch on Rust's own memory. Its handler could wait for that
 * lock for ever. (NMIs only try locks.) For all kinds that can fire on any instruction or access; between ktap_enter and ktap_leave.
 */
DECLARE_PER_CPU(u32, ktap_locked);
static __always_inline bool ktap_nested(struct ktap_probe *probe, const struct kp_event *event)
{
	if (likely(!raw_cpu_read(ktap_locked)) || event->level == KTAP_NMI)
		return false;
	atomic64_inc(&probe->nested);
	return true;
}

/* Both halves, for kinds whose event costs nothing to make. */
static __always_inline void ktap_fire(struct ktap_probe *probe, struct kp_event *event)
{
	if (!ktap_enter(probe->session, event))
		return;
	if (!ktap_idle(probe) && !ktap_nested(probe, event))
		ktap_run(probe, event);
	ktap_leave();
}

/* The same from a trap's handler (int3, #DB) with the trap's registers. */
static __always_inline void ktap_fire_trap(struct ktap_probe *probe, struct kp_event *event, const struct pt_regs *regs)
{
	if (!ktap_enter_at(probe->session, event, ktap_level_behind_trap(regs)))
		return;
	if (!ktap_idle(probe) && !ktap_nested(probe, event))
		ktap_run(probe, event);
	ktap_leave();
}

/* probe.c */
void ktap_probes_free(struct ktap_session *session);
bool ktap_own_address(unsigned long address);	/* inside this module's text */

/* probe_tracepoint.c */
struct tracepoint;
/* A tracepoint of the kernel itself by its name, or NULL. */
struct tracepoint *ktap_tracepoint_find(struct ktap_session *session, const char *name);
void ktap_tracepoints_free(struct ktap_session *session);
int ktap_tracepoints_init(void);
void ktap_tracepoints_exit(void);

/* probe_syscall.c */
void ktap_syscalls_free(struct ktap_session *session);

/* probe_timer.c */
int ktap_timers_init(void);
void ktap_timers_exit(void);

/* ring.c */
void ktap_rings_start(struct ktap_session *session);
void ktap_rings_stop(struct ktap_session *session);
void ktap_rings_free(struct ktap_session *session);
bool ktap_rings_ready(const struct ktap_session *session);
void ktap_rings_arm(struct ktap_session *session);
ssize_t ktap_rings_read(struct ktap_session *session, char __user *out, size_t room);

/* stack.c */
int ktap_stacks_alloc(struct ktap_session *session);
void ktap_stacks_free(struct ktap_session *session);

/* device.c */
int ktap_device_init(void);
void ktap_device_exit(void);

#endif
