// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uprobes: an instruction of a file, in every process that maps it, and the return of a function there.
 *
 * In: a path and an offset into the file. Out: events in the process's own context with its registers. Invariant: the file stays held from attach to free, so
 * that its inode outlives every handler.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm_types.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uprobes.h>

#include "probe.h"

#ifdef CONFIG_UPROBES
struct file_probe {
	struct uprobe_consumer consumer;
	struct ktap_probe *probe;
	struct path path;
	struct ktap_uprobe_handle handle;
};

/* Whether an address space needs the breakpoint at all: with a scope of one process and none of its children, only that one's. */
static bool wanted(const struct ktap_session *session, struct mm_struct *mm)
{
	bool wanted = true;

#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	if (!session->only || session->follow)
		return true;
	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	wanted = owner && owner->tgid == session->only;
	rcu_read_unlock();
#endif
	return wanted;
}

static bool KTAP_UPROBE_FILTER(filter_mm)
{
	return wanted(container_of(consumer, struct file_probe, consumer)->probe->session, mm);
}

static int KTAP_UPROBE_HANDLER(hit_handler)
{
	struct file_probe *file = container_of(consumer, struct file_probe, consumer);
	struct kp_event event KTAP_UNSET;

	/* A child has its parent's breakpoints until they are hit. */
	if (unlikely(!wanted(file->probe->session, current->mm)))
		return UPROBE_HANDLER_REMOVE;
	ktap_event_init(&event, file->probe);
	event.regs = regs;
	event.user_regs = 1;
	event.ip = instruction_pointer(regs);
	ktap_fire(file->probe, &event);
	return 0;
}
NOKPROBE_SYMBOL(hit_handler);

static int KTAP_URETPROBE_HANDLER(return_handler)
{
	struct file_probe *file = container_of(consumer, struct file_probe, consumer);
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, file->probe);
	event.regs = regs;
	event.user_regs = 1;
	event.ip = func;
	event.caller = instruction_pointer(regs);
	event.words[0] = regs_return_value(regs);
	event.words_len = 1;
	ktap_fire(file->probe, &event);
	return 0;
}
NOKPROBE_SYMBOL(return_handler);

static int attach_file(struct ktap_probe *probe, const struct kph_attach *what, bool back, u32 *matched, u32 *lacking)
{
	struct file_probe *file;
	struct inode *inode;
	int err;

	if (what->offset > LLONG_MAX || what->extra > LLONG_MAX)
		return -EINVAL;
	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	err = kern_path(what->name, LOOKUP_FOLLOW, &file->path);
	if (err)
		goto free;
	inode = d_real_inode(file->path.dentry);
	err = -EINVAL;
	if (!inode || !S_ISREG(inode->i_mode))
		goto put;
	file->probe = probe;
	file->consumer.filter = filter_mm;
	if (back)
		file->consumer.ret_handler = return_handler;
	else
		file->consumer.handler = hit_handler;
	err = ktap_uprobe_register(&file->handle, inode, what->offset, back ? 0 : what->extra, &file->consumer);
	if (err)
		goto put;
	probe->data = file;
	*matched = 1;
	return 0;
put:
	path_put(&file->path);
free:
	kfree(file);
	/* The kernel's own number for an instruction that it cannot execute elsewhere; user space has no name for it. */
	if (err == -ENOTSUPP) {
		*lacking = KTAP_FORBIDDEN;
		err = -EOPNOTSUPP;
	}
	return err;
}

static void detach_files(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct file_probe *file = probes[i]->data;

		ktap_uprobe_unregister(&file->handle, &file->consumer);
	}
}

static void sync_files(void)
{
	ktap_uprobe_sync();
}

static void free_file(struct ktap_probe *probe)
{
	struct file_probe *file = probe->data;

	path_put(&file->path);
	kfree(file);
	probe->data = NULL;
}

static bool available(void)
{
	return true;
}
#else
static int attach_file(struct ktap_probe *probe, const struct kph_attach *what, bool back, u32 *matched, u32 *lacking)
{
	*lacking = KTAP_NOT_BUILT;
	return -EOPNOTSUPP;
}

static void detach_files(struct ktap_probe **probes, unsigned int count)
{
}

static void sync_files(void)
{
}

static void free_file(struct ktap_probe *probe)
{
}

static bool available(void)
{
	return false;
}
#endif

static int attach_hit(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	return attach_file(probe, what, false, matched, lacking);
}

static int attach_return(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	return attach_file(probe, what, true, matched, lacking);
}

const struct ktap_probe_kind ktap_uprobe = {
	.attach = attach_hit,
	.detach = detach_files,
	.sync = sync_files,
	.free = free_file,
	.available = available,
};

const struct ktap_probe_kind ktap_uretprobe = {
	.attach = attach_return,
	.detach = detach_files,
	.sync = sync_files,
	.free = free_file,
	.available = available,
};
