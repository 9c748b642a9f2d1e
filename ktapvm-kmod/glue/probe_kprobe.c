// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kprobes: the entry of a function or any instruction of the kernel, and the return of a function.
 *
 * In: a symbol, module:symbol, symbol and offset, or an address. Out: events with the registers of the probed place. Invariant: a probe is in the kernel's text
 * only after it is known that it lies outside this module, so that no handler is ever probed by itself.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "probe.h"
#include "set_retval.h"

/* More functions inside at a time than the kernel's own tracer lets one ask for. */
#define MAX_ACTIVE 4096

struct entry_probe {
	struct kprobe kp;
	struct ktap_probe *probe;
	unsigned long ip;	/* as events say it */
	bool entered;		/* at a function's first byte */
	bool overrides;
};

struct return_probe {
	struct kretprobe rp;
	struct ktap_probe *probe;
	unsigned long ip;
};

/*
 * What a program knows as the probed address: where the symbol stands. A kernel with landing pads puts a probe asked for at a function's first
 * byte behind its pad.
 */
static unsigned long asked_address(const struct kprobe *kp, const struct kph_attach *what)
{
	unsigned long address = (unsigned long)kp->addr;

	if (!kp->symbol_name)
		return what->offset;
	return what->offset ? address : address - ktap_landing_pad_before(address);
}

static bool is_first_byte(unsigned long address)
{
	char symbol[KSYM_SYMBOL_LEN];

	sprint_symbol(symbol, address);
	return strstr(symbol, "+0x0/");
}

/*
 * Whether a handler may leave the probed function at once: on its first byte, on the kernel's list, and where an entry is patched by ftrace, through ftrace, as a
 * probe that became a jump heeds no changed instruction pointer.
 */
static bool may_override(const struct entry_probe *entry)
{
	if (!IS_ENABLED(CONFIG_FUNCTION_ERROR_INJECTION))
		return false;
	if (IS_ENABLED(CONFIG_OPTPROBES) && !(entry->kp.flags & KPROBE_FLAG_FTRACE))
		return false;
	return entry->entered && ktap_error_injectable(entry->ip);
}

bool ktap_kprobe_overrides(const struct ktap_probe *probe)
{
	const struct entry_probe *entry = probe->data;

	return entry->overrides;
}
NOKPROBE_SYMBOL(ktap_kprobe_overrides);

static int entry_handler(struct kprobe *kp, struct pt_regs *regs)
{
	struct entry_probe *entry = container_of(kp, struct entry_probe, kp);
	unsigned long before = instruction_pointer(regs);
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, entry->probe);
	event.regs = regs;
	event.ip = entry->ip;
	if (entry->entered)
		event.caller = ktap_link(regs);
	ktap_fire_trap(entry->probe, &event, regs);
	/* Where the handler has overridden the function, the kernel must not execute the probed instruction. */
	return instruction_pointer(regs) != before;
}
NOKPROBE_SYMBOL(entry_handler);

/* Says which entries need no return: those of processes that do not count. */
static int return_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kretprobe *rp = ktap_kretprobe_of(instance);
	struct ktap_session *session;

	if (!rp)
		return 1;
	session = container_of(rp, struct return_probe, rp)->probe->session;
	/* It may return on another CPU. */
	return !READ_ONCE(session->enabled) || !ktap_in_scope(session, current->tgid, session->cpu);
}
NOKPROBE_SYMBOL(return_entry);

static int return_handler(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kretprobe *rp = ktap_kretprobe_of(instance);
	struct return_probe *back;
	struct kp_event event KTAP_UNSET;

	if (!rp)
		return 0;
	back = container_of(rp, struct return_probe, rp);
	ktap_event_init(&event, back->probe);
	event.regs = regs;
	event.ip = back->ip;
	event.caller = ktap_return_address(instance, regs);
	event.words[0] = regs_return_value(regs);
	event.words_len = 1;
	ktap_fire(back->probe, &event);
	return 0;
}
NOKPROBE_SYMBOL(return_handler);

/* Where the probe goes, and asleep at first. */
static int place_kprobe(struct kprobe *kp, const struct kph_attach *what)
{
	if (what->name && *what->name) {
		if (what->offset > UINT_MAX)
			return -EINVAL;
		kp->symbol_name = what->name;
		kp->offset = what->offset;
	} else {
		if (what->offset != (unsigned long)what->offset || !what->offset)
			return -EINVAL;
		kp->addr = (kprobe_opcode_t *)(unsigned long)what->offset;
	}
	kp->flags = KPROBE_FLAG_DISABLED;
	return 0;
}

/* The kernel says -EINVAL of what it has marked as not to be probed, and of what is no code. */
static int refusal(int err, u32 *lacking)
{
	if (err != -EINVAL && err != -EACCES)
		return err;
	*lacking = KTAP_FORBIDDEN;
	return -EOPNOTSUPP;
}

static int attach_entry(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct entry_probe *entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	int err;

	if (!entry)
		return -ENOMEM;
	entry->probe = probe;
	entry->kp.pre_handler = entry_handler;
	err = place_kprobe(&entry->kp, what);
	if (err)
		goto free;
	err = register_kprobe(&entry->kp);
	if (err) {
		err = refusal(err, lacking);
		goto free;
	}
	entry->ip = asked_address(&entry->kp, what);
	entry->entered = is_first_byte(entry->ip);
	entry->overrides = may_override(entry);
	err = -EINVAL;
	if (!ktap_own_address((unsigned long)entry->kp.addr)) {
		probe->data = entry;
		err = enable_kprobe(&entry->kp);
	}
	if (err) {
		unregister_kprobe(&entry->kp);
		probe->data = NULL;
		err = refusal(err, lacking);
		goto free;
	}
	*matched = 1;
	return 0;
free:
	kfree(entry);
	return err;
}

static int attach_return(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct return_probe *back;
	int err;

	if (what->extra > MAX_ACTIVE)
		return -EINVAL;
	back = kzalloc(sizeof(*back), GFP_KERNEL);
	if (!back)
		return -ENOMEM;
	back->probe = probe;
	back->rp.handler = return_handler;
	back->rp.entry_handler = return_entry;
	back->rp.maxactive = what->extra;
	err = place_kprobe(&back->rp.kp, what);
	if (err)
		goto free;
	err = register_kretprobe(&back->rp);
	if (err) {
		err = refusal(err, lacking);
		goto free;
	}
	back->ip = asked_address(&back->rp.kp, what);
	err = -EINVAL;
	if (!ktap_own_address((unsigned long)back->rp.kp.addr)) {
		probe->data = back;
		err = enable_kretprobe(&back->rp);
	}
	if (err) {
		unregister_kretprobe(&back->rp);
		probe->data = NULL;
		err = refusal(err, lacking);
		goto free;
	}
	*matched = 1;
	return 0;
free:
	kfree(back);
	return err;
}

/* All at once costs one grace period instead of one each; without the memory for the list, one each. */
static void detach_entries(struct ktap_probe **probes, unsigned int count)
{
	struct kprobe **list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL);
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct entry_probe *entry = probes[i]->data;

		if (list)
			list[i] = &entry->kp;
		else
			unregister_kprobe(&entry->kp);
	}
	if (list)
		unregister_kprobes(list, count);
	kvfree(list);
}

static void detach_returns(struct ktap_probe **probes, unsigned int count)
{
	struct kretprobe **list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL);
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct return_probe *back = probes[i]->data;

		if (list)
			list[i] = &back->rp;
		else
			unregister_kretprobe(&back->rp);
	}
	if (list)
		unregister_kretprobes(list, count);
	kvfree(list);
}

static u64 missed_entry(struct ktap_probe *probe)
{
	struct entry_probe *entry = probe->data;

	return READ_ONCE(entry->kp.nmissed);
}

static u64 missed_return(struct ktap_probe *probe)
{
	struct return_probe *back = probe->data;

	return READ_ONCE(back->rp.kp.nmissed) + (unsigned int)READ_ONCE(back->rp.nmissed);
}

static void free_data(struct ktap_probe *probe)
{
	kfree(probe->data);
	probe->data = NULL;
}

const struct ktap_probe_kind ktap_kprobe = {
	.attach = attach_entry,
	.detach = detach_entries,
	.missed = missed_entry,
	.free = free_data,
};

const struct ktap_probe_kind ktap_kretprobe = {
	.attach = attach_return,
	.detach = detach_returns,
	.missed = missed_return,
	.free = free_data,
};
