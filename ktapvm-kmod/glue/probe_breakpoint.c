// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware breakpoints: an access to an address, on every CPU.
 *
 * In: address, length, access. Out: events at the instruction that made the access. Invariant: none is ever set on a processor that would run into it again after
 * the handler; arm and arm64 step over one only for perf's own handler, so that there the first access would hang the CPU.
 */
#include <linux/hw_breakpoint.h>
#include <linux/kprobes.h>
#include <linux/perf_event.h>

#include "probe.h"

#if defined(CONFIG_HAVE_HW_BREAKPOINT) && defined(CONFIG_X86)
static void breakpoint_handler(struct perf_event *counter, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct ktap_probe *probe = counter->overflow_handler_context;
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, probe);
	event.regs = regs;
	event.ip = instruction_pointer(regs);
	event.user_regs = user_mode(regs);
	ktap_fire_trap(probe, &event, regs);
}
NOKPROBE_SYMBOL(breakpoint_handler);

static int attach_breakpoint(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct perf_event * __percpu *counters;
	struct perf_event_attr attr;
	u64 len = what->extra & 0xff, access = what->extra >> 8;

	if (what->offset != (unsigned long)what->offset || !len)
		return -EINVAL;
	/* Execution and access do not go together; nor does a processor of this kind watch reads alone. */
	if (access == HW_BREAKPOINT_X)
		len = sizeof(long);
	else if (access != HW_BREAKPOINT_W && access != HW_BREAKPOINT_RW)
		return -EINVAL;
	hw_breakpoint_init(&attr);
	attr.bp_addr = what->offset;
	attr.bp_len = len;
	attr.bp_type = access;
	counters = register_wide_hw_breakpoint(&attr, breakpoint_handler, probe);
	if (ktap_percpu_failed(counters))
		return ktap_percpu_error(counters);
	probe->data = (void *)(__force unsigned long)counters;
	*matched = 1;
	return 0;
}

static void detach_breakpoints(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		unregister_wide_hw_breakpoint((struct perf_event * __percpu *)(unsigned long)probes[i]->data);
}

static bool available(void)
{
	return true;
}
#else
static int attach_breakpoint(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	*lacking = IS_ENABLED(CONFIG_HAVE_HW_BREAKPOINT) ? KTAP_NO_STEP : KTAP_NOT_BUILT;
	return -EOPNOTSUPP;
}

static void detach_breakpoints(struct ktap_probe **probes, unsigned int count)
{
}

static bool available(void)
{
	return false;
}
#endif

/* What hung on data went with the breakpoints. */
static void free_data(struct ktap_probe *probe)
{
	probe->data = NULL;
}

const struct ktap_probe_kind ktap_breakpoint = {
	.attach = attach_breakpoint,
	.detach = detach_breakpoints,
	.free = free_data,
	.available = available,
};
