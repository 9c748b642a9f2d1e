// SPDX-License-Identifier: GPL-2.0-only
/*
 * Perf events: whatever perf counts, of the hardware and of the kernel.
 *
 * In: a perf type, number and period. Out: one counter on each CPU that was online, and its overflows as events. Invariant: a sample that perf left out because they
 * came too fast is counted.
 */
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/perf_event.h>
#include <linux/slab.h>

#include "perf_counters.h"
#include "probe.h"

/* perf marks a counter that it has throttled so. */
#define THROTTLED (~0ULL)

static void sample_handler(struct perf_event *counter, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct ktap_probe *probe = counter->overflow_handler_context;
	struct ktap_counters *counters = READ_ONCE(probe->data);
	struct kp_event event KTAP_UNSET;

	/* This sample comes, those after it until the next tick do not. */
	if (unlikely(counter->hw.interrupts == THROTTLED) && counters)
		atomic64_inc(&counters->throttled);
	ktap_event_init(&event, probe);
	event.regs = regs;
	event.user_regs = user_mode(regs);
	event.ip = instruction_pointer(regs);
	ktap_fire(probe, &event);
}
NOKPROBE_SYMBOL(sample_handler);

void ktap_counters_release(struct ktap_counters *counters)
{
	unsigned int i;

	for (i = 0; i < counters->count; i++)
		perf_event_release_kernel(counters->counter[i]);
	counters->count = 0;
}

/*
 * The locks that perf takes while it makes a tracepoint's counter include the one that keeps CPUs in place, so that it cannot be held here: a CPU that goes away
 * meanwhile has no counter, one that comes stays without.
 */
int ktap_counters_open(struct ktap_counters **out, struct perf_event_attr *attr, s32 only, perf_overflow_handler_t handler, void *context)
{
	struct ktap_counters *counters;
	struct perf_event *counter;
	unsigned int cpu;
	int err = -ENODEV;

	counters = kzalloc(struct_size(counters, counter, nr_cpu_ids), GFP_KERNEL);
	if (!counters)
		return -ENOMEM;
	WRITE_ONCE(*out, counters);
	for_each_online_cpu(cpu) {
		if (only >= 0 && only != cpu)
			continue;
		counter = perf_event_create_kernel_counter(attr, cpu, NULL, handler, context);
		if (!IS_ERR(counter)) {
			counters->counter[counters->count++] = counter;
			continue;
		}
		if (PTR_ERR(counter) == -ENODEV)
			continue;
		err = PTR_ERR(counter);
		ktap_counters_release(counters);
		break;
	}
	if (counters->count)
		return 0;
	/* Handlers of the counters that were there may still run. */
	WRITE_ONCE(*out, NULL);
	synchronize_rcu();
	kfree(counters);
	return err;
}

static int attach_perf_event(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct perf_event_attr attr = {
		.type = what->perf_type,
		.size = sizeof(attr),
		.config = what->config,
		.sample_period = what->extra,
	};
	int err;

	/* Those two are kinds of their own: what they need stands elsewhere, and some processors cannot go on after a breakpoint. */
	if (!what->extra || what->perf_type == PERF_TYPE_BREAKPOINT || what->perf_type == PERF_TYPE_TRACEPOINT)
		return -EINVAL;
	err = ktap_counters_open((struct ktap_counters **)&probe->data, &attr, probe->session->cpu, sample_handler, probe);
	if (!err)
		*matched = 1;
	return err;
}

static void detach_counters(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		ktap_counters_release(probes[i]->data);
}

static u64 missed_samples(struct ktap_probe *probe)
{
	struct ktap_counters *counters = probe->data;

	return atomic64_read(&counters->throttled);
}

static void free_counters(struct ktap_probe *probe)
{
	kfree(probe->data);
	probe->data = NULL;
}

const struct ktap_probe_kind ktap_perf_event = {
	.attach = attach_perf_event,
	.detach = detach_counters,
	.missed = missed_samples,
	.free = free_counters,
};
