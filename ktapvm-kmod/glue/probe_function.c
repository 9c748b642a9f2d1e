// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions by the dozen: the entry of every function that a glob matches, through ftrace, and its exit, through fprobe.
 *
 * In: a glob. Out: events that know the function and its caller. Invariant: the kernel keeps each context from entering a handler again, so that handlers may
 * call functions that are themselves traced.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "probe.h"

#ifdef KTAP_HAS_FPROBE
#include <linux/fprobe.h>
#endif

/* Functions that may be inside at a time, for each CPU and on top; more are missed and counted. */
#define ACTIVE_PER_CPU 64
#define ACTIVE 1024

#ifdef CONFIG_DYNAMIC_FTRACE
struct functions {
	struct ftrace_ops ops;
	struct ktap_probe *probe;
};

static void function_entry(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, ktap_ftrace_regs *regs)
{
	struct functions *functions = container_of(ops, struct functions, ops);
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, functions->probe);
	event.ip = ktap_ftrace_function(ip);
	event.caller = parent_ip;
	ktap_fire(functions->probe, &event);
}
NOKPROBE_SYMBOL(function_entry);

static int attach_functions(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct functions *functions;
	char *glob;
	int err;

	if (!what->name || !*what->name)
		return -EINVAL;
	glob = kstrdup(what->name, GFP_KERNEL);
	functions = kzalloc(sizeof(*functions), GFP_KERNEL);
	err = -ENOMEM;
	if (!glob || !functions)
		goto free;
	functions->probe = probe;
	functions->ops.func = function_entry;
	/* Without RCU watching (deep in idle) nothing of the kernel may be called. */
	functions->ops.flags = KTAP_FTRACE_RECURSION | FTRACE_OPS_FL_RCU;
	err = ftrace_set_filter(&functions->ops, (unsigned char *)glob, strlen(glob), 1);
	if (!err) {
		err = register_ftrace_function(&functions->ops);
		if (err)
			ktap_ftrace_free_filter(&functions->ops);
	} else if (err == -EINVAL) {
		/* So ftrace says that nothing matches. */
		err = -ENOENT;
	}
	if (err)
		goto free;
	probe->data = functions;
	functions = NULL;
free:
	kfree(functions);
	kfree(glob);
	return err;
}

static void detach_functions(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct functions *functions = probes[i]->data;

		/* Waits for whoever is inside. */
		unregister_ftrace_function(&functions->ops);
		ktap_ftrace_free_filter(&functions->ops);
	}
}

static bool functions_available(void)
{
	return true;
}
#else
static int attach_functions(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	*lacking = KTAP_NOT_BUILT;
	return -EOPNOTSUPP;
}

static void detach_functions(struct ktap_probe **probes, unsigned int count)
{
}

static bool functions_available(void)
{
	return false;
}
#endif

#ifdef KTAP_HAS_FPROBE
struct exits {
	struct fprobe fprobe;
	struct ktap_probe *probe;
};

static void function_exit(struct fprobe *fprobe, unsigned long ip, unsigned long return_ip, ktap_fprobe_regs *regs, void *data)
{
	struct exits *exits = container_of(fprobe, struct exits, fprobe);
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, exits->probe);
	event.ip = ktap_ftrace_function(ip);
	event.caller = return_ip;
	event.words[0] = ktap_fprobe_retval(regs);
	event.words_len = 1;
	ktap_fire(exits->probe, &event);
}
NOKPROBE_SYMBOL(function_exit);

static int attach_exits(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct exits *exits;
	int err;

	if (!what->name || !*what->name)
		return -EINVAL;
	exits = kzalloc(sizeof(*exits), GFP_KERNEL);
	if (!exits)
		return -ENOMEM;
	exits->probe = probe;
	exits->fprobe.exit_handler = function_exit;
	ktap_fprobe_max_active(&exits->fprobe, ACTIVE + ACTIVE_PER_CPU * num_possible_cpus());
	err = register_fprobe(&exits->fprobe, what->name, NULL);
	if (err) {
		kfree(exits);
		return err == -EINVAL ? -ENOENT : err;
	}
	probe->data = exits;
	return 0;
}

static void detach_exits(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct exits *exits = probes[i]->data;

		/* Some kernels need memory for it. */
		while (unregister_fprobe(&exits->fprobe) == -ENOMEM)
			msleep(20);
	}
}

static u64 missed_exits(struct ktap_probe *probe)
{
	struct exits *exits = probe->data;

	return READ_ONCE(exits->fprobe.nmissed);
}

static bool exits_available(void)
{
	return true;
}
#else
static int attach_exits(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	*lacking = KTAP_NOT_BUILT;
	return -EOPNOTSUPP;
}

static void detach_exits(struct ktap_probe **probes, unsigned int count)
{
}

static u64 missed_exits(struct ktap_probe *probe)
{
	return 0;
}

static bool exits_available(void)
{
	return false;
}
#endif

static void free_data(struct ktap_probe *probe)
{
	kfree(probe->data);
	probe->data = NULL;
}

const struct ktap_probe_kind ktap_function = {
	.attach = attach_functions,
	.detach = detach_functions,
	.free = free_data,
	.available = functions_available,
};

const struct ktap_probe_kind ktap_function_exit = {
	.attach = attach_exits,
	.detach = detach_exits,
	.missed = missed_exits,
	.free = free_data,
	.available = exits_available,
};
