// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw tracepoints: the kernel's and its modules', by name.
 *
 * In: names. Out: events without a record. Invariant: a module whose tracepoint is probed stays, for the probe holds it.
 */
#include <linux/bsearch.h>
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "probe.h"

/* The kernel's tracepoints by name. Made once per session; they stay as long as the kernel does. */
struct ktap_tracepoints {
	u32 count, room;
	struct tracepoint *sorted[];
};

struct ktap_raw {
	struct tracepoint *tracepoint;
	struct module *owner;
};

/* Modules with tracepoints, as the kernel tells of them. */
struct ktap_module {
	struct list_head list;
	struct module *module;
};
static LIST_HEAD(ktap_modules);
static DEFINE_MUTEX(ktap_modules_mutex);

static int ktap_module_notify(struct notifier_block *block, unsigned long what, void *data)
{
	struct tp_module *told = data;
	struct ktap_module *known, *next;

	mutex_lock(&ktap_modules_mutex);
	if (what == MODULE_STATE_COMING) {
		known = kmalloc(sizeof(*known), GFP_KERNEL);
		if (known) {
			known->module = told->mod;
			list_add(&known->list, &ktap_modules);
		}
	} else if (what == MODULE_STATE_GOING) {
		list_for_each_entry_safe(known, next, &ktap_modules, list)
			if (known->module == told->mod) {
				list_del(&known->list);
				kfree(known);
			}
	}
	mutex_unlock(&ktap_modules_mutex);
	return NOTIFY_OK;
}

static struct notifier_block ktap_module_block = { .notifier_call = ktap_module_notify };

int __init ktap_tracepoints_init(void)
{
	/* Tells of the modules that are there already, too. */
	return register_tracepoint_module_notifier(&ktap_module_block);
}

void ktap_tracepoints_exit(void)
{
	struct ktap_module *known, *next;

	/* Tells that all modules go, whether they do or not. */
	unregister_tracepoint_module_notifier(&ktap_module_block);
	list_for_each_entry_safe(known, next, &ktap_modules, list)
		kfree(known);
}

static void ktap_tracepoint_count(struct tracepoint *tracepoint, void *data)
{
	++*(u32 *)data;
}

static void ktap_tracepoint_list(struct tracepoint *tracepoint, void *data)
{
	struct ktap_tracepoints *all = data;

	if (all->count < all->room)
		all->sorted[all->count++] = tracepoint;
}

static int ktap_tracepoint_order(const void *a, const void *b)
{
	return strcmp((*(struct tracepoint *const *)a)->name, (*(struct tracepoint *const *)b)->name);
}

static int ktap_tracepoint_compare(const void *name, const void *element)
{
	return strcmp(name, (*(struct tracepoint *const *)element)->name);
}

static struct ktap_tracepoints *ktap_tracepoints_make(void)
{
	struct ktap_tracepoints *all;
	u32 count = 0;

	for_each_kernel_tracepoint(ktap_tracepoint_count, &count);
	all = kvzalloc(struct_size(all, sorted, count), GFP_KERNEL_ACCOUNT);
	if (!all)
		return NULL;
	all->room = count;
	for_each_kernel_tracepoint(ktap_tracepoint_list, all);
	sort(all->sorted, all->count, sizeof(all->sorted[0]), ktap_tracepoint_order, NULL);
	return all;
}

struct tracepoint *ktap_tracepoint_find(struct ktap_session *session, const char *name)
{
	struct tracepoint **found;

	if (!session->tracepoints)
		session->tracepoints = ktap_tracepoints_make();
	if (!session->tracepoints)
		return NULL;
	found = bsearch(name, session->tracepoints->sorted, session->tracepoints->count, sizeof(*found), ktap_tracepoint_compare);
	return found ? *found : NULL;
}

void ktap_tracepoints_free(struct ktap_session *session)
{
	kvfree(session->tracepoints);
	session->tracepoints = NULL;
}

/* A module's tracepoint; the module is held when there is one. */
static struct tracepoint *ktap_tracepoint_find_module(const char *name, struct module **owner)
{
	struct tracepoint *found = NULL;
	struct ktap_module *known;
	unsigned int i;

	mutex_lock(&ktap_modules_mutex);
	list_for_each_entry(known, &ktap_modules, list) {
		struct module *module = known->module;

		for (i = 0; !found && i < module->num_tracepoints; i++) {
			struct tracepoint *tracepoint = tracepoint_ptr_deref(&module->tracepoints_ptrs[i]);

			if (strcmp(tracepoint->name, name) || !try_module_get(module))
				continue;
			/* One that is still coming may fail to, and is gone then, held or not. */
			if (READ_ONCE(module->state) == MODULE_STATE_LIVE) {
				found = tracepoint;
				*owner = module;
			} else {
				module_put(module);
			}
		}
	}
	mutex_unlock(&ktap_modules_mutex);
	return found;
}

/* Every tracepoint calls this with its own arguments behind `data`; they are left where they are. */
static void ktap_raw_fire(void *data)
{
	struct ktap_probe *probe = data;
	struct kp_event event KTAP_UNSET;

	if (!ktap_enter(probe->session, &event))
		return;
	if (!ktap_idle(probe) && !ktap_nested(probe, &event)) {
		ktap_event_init(&event, probe);
		ktap_run(probe, &event);
	}
	ktap_leave();
}
NOKPROBE_SYMBOL(ktap_raw_fire);

static int ktap_raw_attach(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	const char *colon = what->name ? strchr(what->name, ':') : NULL;
	const char *name = colon ? colon + 1 : what->name;
	struct ktap_raw *raw;
	int error;

	if (!name)
		return -ENOENT;
	raw = kzalloc(sizeof(*raw), GFP_KERNEL_ACCOUNT);
	if (!raw)
		return -ENOMEM;
	raw->tracepoint = ktap_tracepoint_find(probe->session, name);
	if (!raw->tracepoint)
		raw->tracepoint = ktap_tracepoint_find_module(name, &raw->owner);
	error = raw->tracepoint ? tracepoint_probe_register(raw->tracepoint, ktap_raw_fire, probe) : -ENOENT;
	if (error) {
		module_put(raw->owner);
		kfree(raw);
		return error;
	}
	probe->data = raw;
	*matched = 1;
	return 0;
}

static void ktap_raw_detach(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct ktap_raw *raw = probes[i]->data;

		tracepoint_probe_unregister(raw->tracepoint, ktap_raw_fire, probes[i]);
		cond_resched();
	}
}

static void ktap_raw_free(struct ktap_probe *probe)
{
	struct ktap_raw *raw = probe->data;

	module_put(raw->owner);
	kfree(raw);
}

/* One function for tracepoints of every kind is what kernels that check the types of indirect calls forbid. */
static bool ktap_raw_available(void)
{
	return !IS_ENABLED(CONFIG_CFI_CLANG) && !IS_ENABLED(CONFIG_CFI);
}

const struct ktap_probe_kind ktap_raw_tracepoint = {
	.available = ktap_raw_available,
	.attach = ktap_raw_attach,
	.detach = ktap_raw_detach,
	.free = ktap_raw_free,
};
