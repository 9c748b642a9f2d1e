// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probes of a session: attached one by one, enabled together, detached together; and which events count.
 *
 * In: kph_* calls under the session's mutex. Out: calls of each kind's table. Invariant: detaching first lets nothing fire, then takes out, then waits once for
 * all; only then is a probe's memory touched.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/threads.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "probe.h"

/* Attachments are numbered in 16 bits. */
#define KTAP_MAX_PROBES 65536U

static const struct ktap_probe_kind *const ktap_kinds[KTAP_KINDS] = {
	[KTAP_RAW_TRACEPOINT] = &ktap_raw_tracepoint,
	[KTAP_TRACEPOINT] = &ktap_tracepoint,
	[KTAP_SYSCALL_ENTER] = &ktap_syscall_enter,
	[KTAP_SYSCALL_EXIT] = &ktap_syscall_exit,
	[KTAP_KPROBE] = &ktap_kprobe,
	[KTAP_KRETPROBE] = &ktap_kretprobe,
	[KTAP_FUNCTION] = &ktap_function,
	[KTAP_TICK] = &ktap_tick,
	[KTAP_PROFILE] = &ktap_profile,
	[KTAP_PERF_EVENT] = &ktap_perf_event,
	[KTAP_BREAKPOINT] = &ktap_breakpoint,
	[KTAP_UPROBE] = &ktap_uprobe,
	[KTAP_URETPROBE] = &ktap_uretprobe,
	[KTAP_FUNCTION_EXIT] = &ktap_function_exit,
};

static bool ktap_kind_available(u32 kind)
{
	const struct ktap_probe_kind *ops = ktap_kinds[kind];

	return ops->attach && (!ops->available || ops->available());
}

u64 kph_kinds(void)
{
	u64 kinds = 0;
	u32 kind;

	for (kind = 0; kind < KTAP_KINDS; kind++)
		if (ktap_kind_available(kind))
			kinds |= 1ULL << kind;
	return kinds;
}

/* Room for one more probe, and for the batch that detaching makes of them. */
static int ktap_probes_grow(struct ktap_session *session)
{
	u32 room = max(64U, session->probe_room * 2);
	struct ktap_probe **probes;

	if (session->probe_count < session->probe_room)
		return 0;
	if (session->probe_room >= KTAP_MAX_PROBES)
		return -ENOSPC;
	probes = kvcalloc(2 * room, sizeof(*probes), GFP_KERNEL_ACCOUNT);
	if (!probes)
		return -ENOMEM;
	if (session->probe_count)
		memcpy(probes, session->probes, session->probe_count * sizeof(*probes));
	kvfree(session->probes);
	session->probes = probes;
	session->probe_room = room;
	return 0;
}

int kph_attach(struct ktap_session *session, const struct kph_attach *what, void *rust, u32 *matched, u32 *lacking)
{
	struct ktap_probe *probe;
	int error;

	*matched = 0;
	*lacking = 0;
	if (what->kind >= KTAP_KINDS)
		return -EINVAL;
	if (!ktap_kind_available(what->kind)) {
		*lacking = KTAP_NOT_BUILT;
		return -EOPNOTSUPP;
	}
	error = ktap_probes_grow(session);
	if (error)
		return error;
	probe = kzalloc(sizeof(*probe), GFP_KERNEL_ACCOUNT);
	if (!probe)
		return -ENOMEM;
	probe->rust = rust;
	probe->session = session;
	probe->ops = ktap_kinds[what->kind];
	probe->kind = what->kind;
	probe->needs_words = what->needs_words;
	probe->idle = what->idle;
	probe->syscall = what->syscall;
	error = probe->ops->attach(probe, what, matched, lacking);
	if (error) {
		kfree(probe);
		return error;
	}
	probe->attached = true;
	session->probes[session->probe_count++] = probe;
	return 0;
}

void kph_enable(struct ktap_session *session)
{
	u32 i;

	if (session->over)
		return;
	smp_store_release(&session->enabled, true);
	for (i = 0; i < session->probe_count; i++) {
		struct ktap_probe *probe = session->probes[i];

		if (probe->attached && probe->ops->enable)
			probe->ops->enable(probe);
	}
}

/* Probes of one kind that are still in place, behind the list of all: as many as may be taken out before the clock is looked at. */
#define KTAP_BATCH 32U
/* Longest stretch of detaching before the caller has its turn, give or take a batch. */
#define KTAP_DETACH_NS (100 * NSEC_PER_MSEC)

static u32 ktap_batch(struct ktap_session *session, u32 kind, u32 *left)
{
	struct ktap_probe **batch = session->probes + session->probe_room;
	u32 i, count = 0;

	*left = 0;
	for (i = 0; i < session->probe_count; i++) {
		struct ktap_probe *probe = session->probes[i];

		if (!probe->attached || probe->out)
			continue;
		if (probe->kind == kind && count < KTAP_BATCH)
			batch[count++] = probe;
		else
			++*left;
	}
	return count;
}

static void ktap_follow_stop(struct ktap_session *session);

/* Takes probes out until none is left, or until it has taken long enough; returns how many are left. */
static u32 ktap_take_out(struct ktap_session *session, bool all)
{
	struct ktap_probe **batch = session->probes + session->probe_room;
	u64 start = ktime_get_mono_fast_ns();
	u32 kind, count, left = 0, i;

	for (kind = 0; kind < KTAP_KINDS; kind++) {
		while ((count = ktap_batch(session, kind, &left))) {
			if (ktap_kinds[kind]->detach)
				ktap_kinds[kind]->detach(batch, count);
			for (i = 0; i < count; i++)
				batch[i]->out = true;
			if (left && !all && ktime_get_mono_fast_ns() - start > KTAP_DETACH_NS)
				return left;
			cond_resched();
		}
	}
	return 0;
}

u32 kph_detach(struct ktap_session *session, u32 all)
{
	bool any = session->follow, synced[KTAP_KINDS] = { false };
	u32 left, i;

	WRITE_ONCE(session->enabled, false);
	left = ktap_take_out(session, all);
	if (left)
		return left;
	ktap_follow_stop(session);
	for (i = 0; i < session->probe_count; i++)
		any |= session->probes[i]->attached;
	if (!any)
		return 0;
	tracepoint_synchronize_unregister();
	synchronize_rcu();
	for (i = 0; i < session->probe_count; i++) {
		struct ktap_probe *probe = session->probes[i];

		if (!probe->attached || synced[probe->kind])
			continue;
		if (probe->ops->sync)
			probe->ops->sync();
		synced[probe->kind] = true;
	}
	for (i = 0; i < session->probe_count; i++) {
		struct ktap_probe *probe = session->probes[i];

		if (!probe->attached)
			continue;
		if (probe->ops->missed)
			probe->missed = probe->ops->missed(probe);
		if (probe->ops->free)
			probe->ops->free(probe);
		probe->data = NULL;
		probe->attached = false;
		cond_resched();
	}
	return 0;
}

void ktap_probes_free(struct ktap_session *session)
{
	u32 i;

	for (i = 0; i < session->probe_count; i++)
		kfree(session->probes[i]);
	kvfree(session->probes);
	kvfree(session->followed);
}

u64 kph_missed(struct ktap_session *session, u32 i)
{
	struct ktap_probe *probe;
	u64 missed;

	if (i >= session->probe_count)
		return 0;
	probe = session->probes[i];
	missed = probe->attached && probe->ops->missed ? probe->ops->missed(probe) : probe->missed;
	return missed + atomic64_read(&probe->nested);
}

u64 kph_events(struct ktap_session *session)
{
	u64 events = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		events += READ_ONCE(*per_cpu_ptr(session->events, cpu));
	return events;
}

bool ktap_scope_follows(const struct ktap_session *session, u32 pid)
{
	unsigned long *followed = READ_ONCE(session->followed);

	return followed && pid < PID_MAX_LIMIT && test_bit(pid, followed);
}
NOKPROBE_SYMBOL(ktap_scope_follows);

bool ktap_scope_narrow(const struct ktap_session *session, u32 pid, s32 cpu)
{
	if (session->only && session->only != pid && !ktap_scope_follows(session, pid))
		return false;
	return session->cpu < 0 || session->cpu == cpu;
}
NOKPROBE_SYMBOL(ktap_scope_narrow);

/* sched_process_fork: children of what counts count. */
static void ktap_followed_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct ktap_session *session = data;

	if ((u32)parent->tgid != session->only && !ktap_scope_follows(session, parent->tgid))
		return;
	if ((u32)child->tgid < PID_MAX_LIMIT)
		set_bit(child->tgid, session->followed);
}
NOKPROBE_SYMBOL(ktap_followed_fork);

/* sched_process_free: not before nobody can ask for its last events; until its number can be given away again only a moment is left. */
static void ktap_followed_free(void *data, struct task_struct *task)
{
	struct ktap_session *session = data;

	if (task->pid == task->tgid && (u32)task->tgid < PID_MAX_LIMIT)
		clear_bit(task->tgid, session->followed);
}
NOKPROBE_SYMBOL(ktap_followed_free);

static void ktap_follow_stop(struct ktap_session *session)
{
	if (!session->follow)
		return;
	tracepoint_probe_unregister(ktap_tracepoint_find(session, "sched_process_fork"), ktap_followed_fork, session);
	tracepoint_probe_unregister(ktap_tracepoint_find(session, "sched_process_free"), ktap_followed_free, session);
	session->follow = false;
}

static int ktap_follow_start(struct ktap_session *session)
{
	struct tracepoint *fork = ktap_tracepoint_find(session, "sched_process_fork");
	struct tracepoint *freed = ktap_tracepoint_find(session, "sched_process_free");
	int error;

	if (!fork || !freed)
		return -ENOENT;
	if (!session->followed)
		session->followed = kvcalloc(BITS_TO_LONGS(PID_MAX_LIMIT), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!session->followed)
		return -ENOMEM;
	error = tracepoint_probe_register(fork, ktap_followed_fork, session);
	if (error)
		return error;
	error = tracepoint_probe_register(freed, ktap_followed_free, session);
	if (error) {
		tracepoint_probe_unregister(fork, ktap_followed_fork, session);
		tracepoint_synchronize_unregister();
		return error;
	}
	session->follow = true;
	return 0;
}

int kph_scope(struct ktap_session *session, u32 only, u32 follow, s32 cpu, const u32 *excluded, u32 excluded_count)
{
	u32 i;

	if (session->enabled)
		return -EBUSY;
	if (session->follow) {
		ktap_follow_stop(session);
		tracepoint_synchronize_unregister();
		bitmap_zero(session->followed, PID_MAX_LIMIT);
	}
	session->only = only;
	session->cpu = cpu;
	session->narrow = only || cpu >= 0;
	session->excluded_count = min_t(u32, excluded_count, KTAP_MAX_EXCLUDED);
	memcpy(session->excluded, excluded, session->excluded_count * sizeof(*excluded));
	session->excluded_mask = 0;
	for (i = 0; i < session->excluded_count; i++)
		session->excluded_mask |= 1UL << (session->excluded[i] % BITS_PER_LONG);
	return only && follow ? ktap_follow_start(session) : 0;
}
