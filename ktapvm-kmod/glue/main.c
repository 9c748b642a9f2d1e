// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what is made when it comes and given back when it goes.
 *
 * In: nothing. Out: /dev/ktap. Invariant: every open file holds the module, so that it goes only when no session is left.
 */
#include <linux/module.h>

#include "perf_counters.h"
#include "probe.h"
#include "set_retval.h"

#ifndef KTAP_VERSION
#define KTAP_VERSION "0"
#endif

static int __init ktap_init(void)
{
	int error = ktap_timers_init();

	if (error)
		return error;
	error = ktap_tracepoints_init();
	if (error)
		goto timers;
	error = ktap_device_init();
	if (error)
		goto tracepoints;
	return 0;
tracepoints:
	ktap_tracepoints_exit();
timers:
	ktap_timers_exit();
	return error;
}

static void __exit ktap_exit(void)
{
	ktap_device_exit();
	ktap_events_exit();
	ktap_tracepoints_exit();
	ktap_timers_exit();
	ktap_set_retval_exit();
	/* What sessions left to RCU may still want this text. */
	rcu_barrier();
}

module_init(ktap_init);
module_exit(ktap_exit);

MODULE_LICENSE("GPL v2");
MODULE_AUTHOR("ktap");
MODULE_DESCRIPTION("ktap: verified tracing programs inside the kernel");
MODULE_VERSION(KTAP_VERSION);
