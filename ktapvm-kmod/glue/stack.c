// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks: the kernel's at the probed place, and user space's.
 *
 * In: an event. Out: addresses, innermost first. Invariant: the first frame is the probed place; nothing of this module and nothing of how the kernel came here
 * is among them. Main and ticks have no probed place and so no stack.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "probe.h"

#define KTAP_FRAMES 144
#define KTAP_USER_FRAMES 512
#define KTAP_VERDICTS 32
/* A frame at or behind the probed address by so much is the probed place: the trap or the tracer's call has been stepped over. */
#define KTAP_NEAR 32

struct ktap_stacks {
	unsigned long frames[KTAP_LEVELS][KTAP_FRAMES];
	/* Frames looked up before: the address without its top bit, shifted, and whether it is in a tracepoint's iterator. */
	unsigned long verdicts[KTAP_VERDICTS];
};

int ktap_stacks_alloc(struct ktap_session *session)
{
	session->stacks = alloc_percpu(struct ktap_stacks);
	return session->stacks ? 0 : -ENOMEM;
}

void ktap_stacks_free(struct ktap_session *session)
{
	free_percpu(session->stacks);
}

bool ktap_own_address(unsigned long address)
{
	return within_module(address, THIS_MODULE);
}
NOKPROBE_SYMBOL(ktap_own_address);

/*
 * Whether a frame is in `__traceiter_*`, which calls a tracepoint's probes one by one if there are several. A name is looked up once per address.
 */
static bool ktap_in_iterator(struct ktap_stacks *stacks, unsigned long frame)
{
	static const char prefix[] = "__traceiter_";
	unsigned long *verdict = &stacks->verdicts[(frame >> 2) % KTAP_VERDICTS], known = READ_ONCE(*verdict);
	char name[KSYM_SYMBOL_LEN];

	if (known >> 1 == (frame & (~0UL >> 1)))
		return known & 1;
	sprint_symbol_no_offset(name, frame);
	known = !strncmp(name, prefix, sizeof(prefix) - 1);
	WRITE_ONCE(*verdict, frame << 1 | known);
	return known;
}

static u32 ktap_find_near(const unsigned long *frames, u32 count, u32 first, unsigned long ip)
{
	u32 i;

	for (i = first; i < count; i++)
		if (frames[i] - ip < KTAP_NEAR)
			return i;
	return count;
}
NOKPROBE_SYMBOL(ktap_find_near);

/* Cuts off what lies before the probed place; returns the first frame that stays and may put the probed address there. */
static u32 ktap_cut(const struct kp_event *event, struct ktap_stacks *stacks, unsigned long *frames, u32 count)
{
	u16 kind = event->probe->kind;
	u32 first = 0, at;

	while (first < count && ktap_own_address(frames[first]))
		first++;
	switch (kind) {
	case KTAP_KRETPROBE:
	case KTAP_FUNCTION_EXIT:
		at = ktap_find_near(frames, count, first, event->caller);
		return at < count ? at : first;
	case KTAP_KPROBE:
	case KTAP_FUNCTION:
	case KTAP_PROFILE:
	case KTAP_PERF_EVENT:
	case KTAP_BREAKPOINT:
		at = event->ip ? ktap_find_near(frames, count, first, event->ip) : count;
		if (at < count) {
			frames[at] = event->ip;
			/* A function that has no frame yet has its caller in a register alone. */
			if (kind == KTAP_KPROBE && event->caller && at && (at + 1 == count || frames[at + 1] != event->caller)) {
				frames[--at] = event->ip;
				frames[at + 1] = event->caller;
			}
			return at;
		}
		/* Some ways here leave no frame of the function itself, only its caller's. */
		at = event->caller ? ktap_find_near(frames, count, first, event->caller) : count;
		if (at < count && at) {
			frames[at - 1] = event->ip;
			return at - 1;
		}
		return first;
	default:
		at = event->regs && kind == KTAP_TRACEPOINT ? ktap_find_near(frames, count, first, instruction_pointer((struct pt_regs *)event->regs)) : count;
		if (at < count)
			first = at;
		if (first < count && ktap_in_iterator(stacks, frames[first]))
			first++;
		return first;
	}
}

static u32 ktap_kernel_stack(const struct kp_event *event, u32 skip, u64 *out, u32 room)
{
	u16 kind = event->probe->kind;
	struct ktap_stacks *stacks;
	unsigned long *frames;
	u32 count, first, i = 0;

	if (kind == KTAP_UPROBE || kind == KTAP_URETPROBE)
		return 0;
	if ((kind == KTAP_PROFILE || kind == KTAP_PERF_EVENT || kind == KTAP_BREAKPOINT) && event->regs && user_mode((struct pt_regs *)event->regs))
		return 0;
	preempt_disable_notrace();
	stacks = this_cpu_ptr(event->probe->session->stacks);
	frames = stacks->frames[event->level % KTAP_LEVELS];
	count = min_t(u32, stack_trace_save(frames, KTAP_FRAMES, 0), KTAP_FRAMES);
	first = ktap_cut(event, stacks, frames, count);
	for (first += min(skip, count - first); first < count && i < room; first++)
		if (frames[first] && frames[first] != ULONG_MAX)
			out[i++] = frames[first];
	preempt_enable_notrace();
	return i;
}

/* By frame pointers: each frame is the caller's frame pointer and the return address, and lies higher than the last. */
static u32 ktap_user_stack(const struct pt_regs *regs, u32 skip, u64 *out, u32 room)
{
	unsigned long at = ktap_user_frame(regs), last = 0;
	u64 frame[2], ip = instruction_pointer((struct pt_regs *)regs);
	u32 count = 0, step;

	for (step = 0; count < room && step < KTAP_USER_FRAMES; step++) {
		if (skip)
			skip--;
		else
			out[count++] = ip;
		if (!at || at <= last || at % sizeof(long) || kph_read(KTAP_USER_MEMORY, at, frame, sizeof(frame)) || !frame[1])
			break;
		ip = ktap_user_code(frame[1]);
		last = at;
		at = frame[0];
	}
	return count;
}

u32 kph_stack(const struct kp_event *event, u32 user, u32 skip, u64 *out, u32 room)
{
	const struct pt_regs *regs;

	if (!event)
		return 0;
	if (!user)
		return ktap_kernel_stack(event, skip, out, room);
	if (!current->mm || current->flags & PF_KTHREAD)
		return 0;
	regs = event->regs && event->user_regs ? event->regs : task_pt_regs(current);
	if (!user_mode((struct pt_regs *)regs))
		return 0;
	return ktap_user_stack(regs, skip, out, room);
}
NOKPROBE_SYMBOL(kph_stack);
