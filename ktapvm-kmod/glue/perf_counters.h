/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A perf event of the kernel's own on each CPU.
 *
 * In: what perf is to count, and whom to call. Out: the counters. Invariant: a counter belongs to its CPU: when that goes away perf stops it, and it is released
 * with the others.
 */
#ifndef KTAP_PERF_COUNTERS_H
#define KTAP_PERF_COUNTERS_H

#include <linux/atomic.h>
#include <linux/perf_event.h>

struct ktap_probe;

struct ktap_counters {
	atomic64_t throttled;
	unsigned int count;
	struct perf_event *counter[];
};

/*
 * Process. A counter on `only`, or on every CPU that is online. `*out` is set before the first can call the handler, and NULL again on failure; a handler may then
 * have run.
 */
int ktap_counters_open(struct ktap_counters **out, struct perf_event_attr *attr, s32 only, perf_overflow_handler_t handler, void *context);
/* Process. What is left is kfree()d when no handler runs any more. */
void ktap_counters_release(struct ktap_counters *counters);

/* probe_event.c: at the module's end. */
void ktap_events_exit(void);

#endif
