// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor of the benchmark: each row's work done by hand in C, to see what no tracer can undercut.
 *
 * In: the parameter `work`, a row's name. Out: nothing; what it counted is said when it leaves. Invariant: it does what the row's script does, on per-CPU
 * data with preemption off, and no more.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>

#define SLOTS 256
#define RING_BYTES (1 << 22)

struct slot {
	u64 name[2];
	u64 count;
};

/* A record of 48 bytes, as one of a number and a name would be. */
struct record {
	u64 time;
	u32 len, cpu;
	u64 value[4];
};

struct work {
	const char *name;
	void *enter, *exit;	/* of a system call, tracepoint */
	kprobe_pre_handler_t kprobe;
	kretprobe_handler_t entry, ret;
};

static char *work = "empty";
module_param(work, charp, 0444);

static DEFINE_PER_CPU(u64, counter);
static DEFINE_PER_CPU(u64, started);
static DEFINE_PER_CPU(struct slot[SLOTS], names);
static DEFINE_PER_CPU(u64[64], powers);
static DEFINE_PER_CPU(u64, ring_head);
static u8 *ring;

static void enter_empty(void *data, struct pt_regs *regs, long id)
{
}

static void enter_count(void *data, struct pt_regs *regs, long id)
{
	this_cpu_inc(counter);
}

static void enter_by_name(void *data, struct pt_regs *regs, long id)
{
	const u64 *name = (const u64 *)current->comm;
	struct slot *slots;
	u32 at, tries;

	preempt_disable_notrace();
	slots = *this_cpu_ptr(&names);
	at = ((name[0] * 0x9e3779b97f4a7c15ull) ^ name[1]) >> 32;
	for (tries = 0; tries < SLOTS; tries++, at++) {
		struct slot *slot = &slots[at % SLOTS];

		if (!slot->count) {
			slot->name[0] = name[0];
			slot->name[1] = name[1];
		}
		if (slot->name[0] == name[0] && slot->name[1] == name[1]) {
			slot->count++;
			break;
		}
	}
	preempt_enable_notrace();
}

static void enter_histogram(void *data, struct pt_regs *regs, long id)
{
	this_cpu_inc(powers[fls64(id) % 64]);
}

static void enter_filter(void *data, struct pt_regs *regs, long id)
{
	if (current->tgid == 99999)
		this_cpu_inc(counter);
}

static void enter_time(void *data, struct pt_regs *regs, long id)
{
	this_cpu_write(started, ktime_get_mono_fast_ns());
}

static void exit_time(void *data, struct pt_regs *regs, long ret)
{
	u64 since = this_cpu_read(started);

	if (since)
		this_cpu_inc(powers[fls64(ktime_get_mono_fast_ns() - since) % 64]);
}

static void enter_record(void *data, struct pt_regs *regs, long id)
{
	struct record *record;
	u64 head;

	preempt_disable_notrace();
	head = this_cpu_read(ring_head);
	record = (struct record *)(ring + head % RING_BYTES);
	record->time = ktime_get_mono_fast_ns();
	record->len = sizeof(*record);
	record->cpu = smp_processor_id();
	record->value[0] = id;
	record->value[1] = current->tgid;
	memcpy(&record->value[2], current->comm, TASK_COMM_LEN);
	smp_wmb();
	this_cpu_write(ring_head, head + sizeof(*record));
	preempt_enable_notrace();
}

static int kprobe_empty(struct kprobe *probe, struct pt_regs *regs)
{
	return 0;
}

static int kprobe_count(struct kprobe *probe, struct pt_regs *regs)
{
	this_cpu_inc(counter);
	return 0;
}

static int call_time(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	*(u64 *)instance->data = ktime_get_mono_fast_ns();
	return 0;
}

static int return_time(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	u64 took = ktime_get_mono_fast_ns() - *(u64 *)instance->data;

	this_cpu_inc(powers[fls64(took) % 64]);
	return 0;
}

static const struct work all[] = {
	{ "empty", .enter = enter_empty },
	{ "count", .enter = enter_count },
	{ "by-name", .enter = enter_by_name },
	{ "histogram", .enter = enter_histogram },
	{ "filter", .enter = enter_filter },
	{ "latency", .enter = enter_time, .exit = exit_time },
	{ "record", .enter = enter_record },
	{ "kprobe-empty", .kprobe = kprobe_empty },
	{ "kprobe-count", .kprobe = kprobe_count },
	{ "kretprobe", .entry = call_time, .ret = return_time },
};

static const struct work *mine;
static struct tracepoint *sys_enter, *sys_exit;
static struct kprobe kprobe = { .symbol_name = "__x64_sys_getppid" };
static struct kretprobe kretprobe = { .kp.symbol_name = "__x64_sys_getppid", .data_size = sizeof(u64) };

static void find(struct tracepoint *point, void *data)
{
	if (!strcmp(point->name, "sys_enter"))
		sys_enter = point;
	if (!strcmp(point->name, "sys_exit"))
		sys_exit = point;
}

static int attach(void)
{
	int error = 0;

	if (mine->enter)
		error = tracepoint_probe_register(sys_enter, mine->enter, NULL);
	if (!error && mine->exit)
		error = tracepoint_probe_register(sys_exit, mine->exit, NULL);
	if (mine->kprobe) {
		kprobe.pre_handler = mine->kprobe;
		error = register_kprobe(&kprobe);
	}
	if (mine->ret) {
		kretprobe.entry_handler = mine->entry;
		kretprobe.handler = mine->ret;
		error = register_kretprobe(&kretprobe);
	}
	return error;
}

static int __init floor_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (!strcmp(all[i].name, work))
			mine = &all[i];
	}
	for_each_kernel_tracepoint(find, NULL);
	if (!mine || !sys_enter || !sys_exit)
		return -EINVAL;
	ring = vmalloc(RING_BYTES + PAGE_SIZE);
	return ring ? attach() : -ENOMEM;
}

static void __exit floor_exit(void)
{
	if (mine->enter)
		tracepoint_probe_unregister(sys_enter, mine->enter, NULL);
	if (mine->exit)
		tracepoint_probe_unregister(sys_exit, mine->exit, NULL);
	if (mine->kprobe)
		unregister_kprobe(&kprobe);
	if (mine->ret)
		unregister_kretprobe(&kretprobe);
	tracepoint_synchronize_unregister();
	vfree(ring);
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The floor of ktap's benchmark");
