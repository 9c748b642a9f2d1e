// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls: one probe on sys_enter and one on sys_exit per session, handlers found by the call's number.
 *
 * In: numbers. Out: events with words. Invariant: lists only grow while the tracepoints are on, so that they are walked without a lock.
 */
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include <asm/syscall.h>
#include <asm/unistd.h>

#include "probe.h"

/* One side: entries or exits. */
struct ktap_side {
	struct tracepoint *tracepoint;	/* not NULL: our probe is on it */
	struct ktap_probe *all;
	struct ktap_probe *by_number[NR_syscalls];
};

struct ktap_syscalls {
	struct ktap_side side[2];	/* entries, exits */
};

/* Calls of a 32-bit process have numbers of their own. */
static __always_inline bool ktap_foreign(struct pt_regs *regs)
{
#ifdef ARCH_TRACE_IGNORE_COMPAT_SYSCALLS
	return arch_trace_is_compat_syscall(regs);
#else
	return false;
#endif
}

/* The event holds all that is needed, so that nothing else has to be kept while handlers run. */
static __always_inline void ktap_words(struct kp_event *event, bool exit)
{
	struct pt_regs *regs = (struct pt_regs *)event->regs;

	if (exit) {
		event->words[1] = syscall_get_return_value(current, regs);
		event->words_len = 2;
		return;
	}
#ifdef CONFIG_64BIT
	syscall_get_arguments(current, regs, (unsigned long *)&event->words[1]);
#else
	{
		unsigned long arguments[6];
		int i;

		syscall_get_arguments(current, regs, arguments);
		for (i = 0; i < 6; i++)
			event->words[1 + i] = arguments[i];
	}
#endif
	event->words_len = 7;
}

/* Runs the handlers of an event, those of all calls first, then the call's own. */
static __always_inline void ktap_syscall_each(struct pt_regs *regs, long number, struct ktap_probe *probe, struct ktap_probe *then,
					      struct kp_event *event, bool exit)
{
	ktap_event_init(event, NULL);
	event->regs = regs;
	event->user_regs = 1;
	event->words[0] = number;
	do {
		event->probe = probe;
		if (probe->needs_words && !event->words_len)
			ktap_words(event, exit);
		if (!ktap_idle(probe))
			ktap_run(probe, event);
		probe = READ_ONCE(probe->next);
		if (!probe) {
			probe = then;
			then = NULL;
		}
	} while (probe);
}

/* Apart from the search, so that a call nobody asks for costs no frame. */
static __always_inline void ktap_syscall_run(struct ktap_session *session, struct pt_regs *regs, long number, struct ktap_probe *probe,
					     struct ktap_probe *then, bool exit)
{
	struct kp_event event KTAP_UNSET;

	if (!ktap_enter(session, &event))
		return;
	if (!probe->idle || then || READ_ONCE(probe->next) || !ktap_idle(probe))
		ktap_syscall_each(regs, number, probe, then, &event, exit);
	ktap_leave();
}

static noinline void ktap_enter_run(struct ktap_session *session, struct pt_regs *regs, long number, struct ktap_probe *probe, struct ktap_probe *then)
{
	ktap_syscall_run(session, regs, number, probe, then, false);
}
NOKPROBE_SYMBOL(ktap_enter_run);

static noinline void ktap_exit_run(struct ktap_session *session, struct pt_regs *regs, long number, struct ktap_probe *probe, struct ktap_probe *then)
{
	ktap_syscall_run(session, regs, number, probe, then, true);
}
NOKPROBE_SYMBOL(ktap_exit_run);

static __always_inline void ktap_syscall_fire(struct ktap_session *session, struct pt_regs *regs, long number, bool exit)
{
	const struct ktap_side *side = &session->syscalls->side[exit];
	struct ktap_probe *all = READ_ONCE(side->all), *own = NULL;

	if (likely((unsigned long)number < NR_syscalls))
		own = READ_ONCE(side->by_number[number]);
	if (own && ktap_foreign(regs))
		own = NULL;
	if (all)
		(exit ? ktap_exit_run : ktap_enter_run)(session, regs, number, all, own);
	else if (own)
		(exit ? ktap_exit_run : ktap_enter_run)(session, regs, number, own, NULL);
}

static void ktap_sys_enter(void *data, struct pt_regs *regs, long number)
{
	ktap_syscall_fire(data, regs, number, false);
}
NOKPROBE_SYMBOL(ktap_sys_enter);

static void ktap_sys_exit(void *data, struct pt_regs *regs, long value)
{
	ktap_syscall_fire(data, regs, syscall_get_nr(current, regs), true);
}
NOKPROBE_SYMBOL(ktap_sys_exit);

static void *ktap_side_probe(bool exit)
{
	return exit ? (void *)ktap_sys_exit : (void *)ktap_sys_enter;
}

static int ktap_syscall_attach(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct ktap_session *session = probe->session;
	bool exit = probe->kind == KTAP_SYSCALL_EXIT;
	struct ktap_probe **last;
	struct ktap_side *side;
	int error;

	if (what->syscall < -1 || what->syscall >= NR_syscalls)
		return -ENOENT;
	if (!session->syscalls)
		session->syscalls = kvzalloc(sizeof(*session->syscalls), GFP_KERNEL_ACCOUNT);
	if (!session->syscalls)
		return -ENOMEM;
	side = &session->syscalls->side[exit];
	if (!side->tracepoint) {
		struct tracepoint *tracepoint = ktap_tracepoint_find(session, exit ? "sys_exit" : "sys_enter");

		if (!tracepoint) {
			*lacking = KTAP_NOT_BUILT;
			return -EOPNOTSUPP;
		}
		error = tracepoint_probe_register(tracepoint, ktap_side_probe(exit), session);
		if (error)
			return error;
		side->tracepoint = tracepoint;
	}
	last = what->syscall < 0 ? &side->all : &side->by_number[what->syscall];
	while (*last)
		last = &(*last)->next;
	smp_store_release(last, probe);
	*matched = 1;
	return 0;
}

/* The lists stay as they are until no handler runs; a session attaches nothing after that. */
static void ktap_syscall_detach(struct ktap_probe **probes, unsigned int count)
{
	bool exit = probes[0]->kind == KTAP_SYSCALL_EXIT;
	struct ktap_session *session = probes[0]->session;
	struct ktap_side *side = &session->syscalls->side[exit];

	if (side->tracepoint)
		tracepoint_probe_unregister(side->tracepoint, ktap_side_probe(exit), session);
	side->tracepoint = NULL;
}

/* Takes it out of the lists: something may be attached again. */
static void ktap_syscall_free(struct ktap_probe *probe)
{
	struct ktap_side *side = &probe->session->syscalls->side[probe->kind == KTAP_SYSCALL_EXIT];

	if (probe->syscall < 0)
		side->all = NULL;
	else
		side->by_number[probe->syscall] = NULL;
	probe->next = NULL;
}

void ktap_syscalls_free(struct ktap_session *session)
{
	kvfree(session->syscalls);
	session->syscalls = NULL;
}

const struct ktap_probe_kind ktap_syscall_enter = {
	.attach = ktap_syscall_attach,
	.detach = ktap_syscall_detach,
	.free = ktap_syscall_free,
};

const struct ktap_probe_kind ktap_syscall_exit = {
	.attach = ktap_syscall_attach,
	.detach = ktap_syscall_detach,
	.free = ktap_syscall_free,
};
