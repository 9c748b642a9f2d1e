/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels and architectures under one name.
 *
 * In: the kernel's version. Out: ktap_* functions. Invariant: no other file asks for a version.
 */
#ifndef KTAP_COMPAT_H
#define KTAP_COMPAT_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/version.h>

/*
 * For what the hot path fills itself, where the kernel is built to clear every variable on the stack. A compiler that does not know the attribute clears none.
 */
#if __has_attribute(uninitialized)
#define KTAP_UNSET __attribute__((uninitialized))
#else
#define KTAP_UNSET
#endif

/* The saved flags that irqs_disabled_flags() understands. */
static __always_inline unsigned long ktap_regs_flags(const struct pt_regs *regs)
{
#if defined(CONFIG_X86)
	return regs->flags;
#elif defined(CONFIG_ARM64)
	return regs->pstate;
#else
	return 0;
#endif
}

/* Work that runs in hard interrupts on real-time kernels too: a thread of theirs could still look at it when irq_work_sync() is over. */
static inline void ktap_irq_work_setup(struct irq_work *work, void (*function)(struct irq_work *))
{
#ifdef IRQ_WORK_INIT_HARD
	*work = IRQ_WORK_INIT_HARD(function);
#else
	init_irq_work(work, function);
	atomic_or(IRQ_WORK_HARD_IRQ, &work->flags);
#endif
}

/* hrtimer_setup() since 6.13; hrtimer_init() is gone with 6.15. */
static inline void ktap_hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *), clockid_t clock,
				      enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/*
 * Addresses of the kernel. What takes a kernel address must not be given one of user memory, for processors without PAN would read it: on arm64 bit 55 alone
 * says whose an address is, for the top byte may be a tag.
 */
static __always_inline bool ktap_kernel_range(unsigned long at, size_t len)
{
#if defined(CONFIG_ARM64)
	return (at & BIT(55)) && ((at + len) & BIT(55));
#elif defined(CONFIG_X86)
	return at >= TASK_SIZE_MAX + PAGE_SIZE && at + len >= at;
#else
	return (long)at < 0 && (long)(at + len) < 0;
#endif
}

#ifdef TASK_SIZE_MAX
#define KTAP_USER_END TASK_SIZE_MAX
#else
#define KTAP_USER_END (UL(1) << VA_BITS)
#endif

static __always_inline bool ktap_user_range(unsigned long at, size_t len)
{
#if defined(CONFIG_ARM64)
	at &= ~(0xffUL << 56);
#endif
	return at < KTAP_USER_END && len <= KTAP_USER_END - at;
}

/*
 * 0, or not: user memory without faults, of addresses that are user space's. x86 has one more check for NMIs, which come while another process's memory is being
 * put in place. arm64 leaves out the hardened copy's look at `out`: in some kernels it takes a lock that whoever we interrupted may hold.
 */
static __always_inline unsigned long ktap_copy_user(void *out, const void __user *from, size_t len)
{
#if defined(CONFIG_X86)
	return copy_from_user_nmi(out, from, len);
#elif defined(CONFIG_ARM64)
	unsigned long left;

	pagefault_disable();
	left = raw_copy_from_user(out, from, len);
	pagefault_enable();
	return left;
#else
	return copy_from_user_nofault(out, from, len);
#endif
}

/* Bytes of task_struct that are there on every machine: x86 allocates its last member, the registers, as long as the processor wants. */
#ifdef CONFIG_X86
#define KTAP_TASK_BYTES offsetof(struct task_struct, thread)
#else
#define KTAP_TASK_BYTES sizeof(struct task_struct)
#endif

/* Where a 64-bit task's frames begin; 0 for a 32-bit one, whose frames look otherwise. */
static __always_inline unsigned long ktap_user_frame(const struct pt_regs *regs)
{
#if defined(CONFIG_X86_64)
	return user_64bit_mode((struct pt_regs *)regs) ? regs->bp : 0;
#elif defined(CONFIG_ARM64)
	return compat_user_mode(regs) ? 0 : regs->regs[29];
#else
	return 0;
#endif
}

/* Where a function that was just entered returns to, if a register says so alone; 0 where it is on the stack already. */
static __always_inline unsigned long ktap_link(const struct pt_regs *regs)
{
#ifdef CONFIG_ARM64
	return regs->regs[30];
#else
	return 0;
#endif
}

/* A return address without what the processor signed it with. */
static __always_inline unsigned long ktap_user_code(unsigned long address)
{
#ifdef CONFIG_ARM64
	return address & (KTAP_USER_END - 1);
#else
	return address;
#endif
}

/* ---- what the rooms of kprobes, functions, perf, breakpoints and uprobes need ---- */

#ifdef CONFIG_X86_KERNEL_IBT
#include <asm/ibt.h>

/* The bytes of the landing pad right before an address of kernel text: a function's first instruction stands behind one, whether or not it was sealed. */
static __always_inline unsigned int ktap_landing_pad_before(unsigned long address)
{
	u32 before;

	/* Functions are aligned there, so that the pad lies on the same page. */
	if ((address & 15) != 4)
		return 0;
	before = *(const u32 *)(address - 4);
	return before == gen_endbr() || before == gen_endbr_poison() ? 4 : 0;
}
#else
static __always_inline unsigned int ktap_landing_pad_before(unsigned long address)
{
	return 0;
}
#endif

/* The function whose entry ftrace has patched at `ip`. */
static __always_inline unsigned long ktap_ftrace_function(unsigned long ip)
{
#if defined(CONFIG_ARM64) && (defined(CONFIG_DYNAMIC_FTRACE_WITH_REGS) || defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS))
	/* Two patched instructions, of which ftrace names the second, behind a landing pad if there is one. */
	ip -= 4;
	if (IS_ENABLED(CONFIG_ARM64_BTI_KERNEL) && (ip & 0xfff) && *(const u32 *)(ip - 4) == 0xd503245f)
		ip -= 4;
	return ip;
#else
	return ip - ktap_landing_pad_before(ip);
#endif
}

/* A kretprobe's instance. */
#ifdef CONFIG_KRETPROBES
static __always_inline struct kretprobe *ktap_kretprobe_of(struct kretprobe_instance *instance)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
	return get_kretprobe(instance);
#else
	return instance->rp;
#endif
}

/* Where the function returns to; with several such probes on it, an instance itself knows only the next one's trampoline. */
static __always_inline unsigned long ktap_return_address(const struct kretprobe_instance *instance, struct pt_regs *regs)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 16, 0)
	return instruction_pointer(regs);
#else
	return (unsigned long)instance->ret_addr;
#endif
}
#endif

/* ftrace protected every handler from itself until 5.11 unless the handler said it was safe; since then those that ask for it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
#define KTAP_FTRACE_RECURSION FTRACE_OPS_FL_RECURSION
#define ktap_ftrace_regs struct ftrace_regs
#else
#define KTAP_FTRACE_RECURSION 0
#define ktap_ftrace_regs struct pt_regs
#endif

/* ftrace_free_filter() is exported since 6.x; before, an empty filter leaves only the shared empty hash behind. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define ktap_ftrace_free_filter(ops) ftrace_free_filter(ops)
#else
#define ktap_ftrace_free_filter(ops) ((void)ftrace_set_filter(ops, NULL, 0, 1))
#endif

/* fprobe's handlers get the return address since 6.5, ftrace's registers since 6.14. Kernels before have it in too many shapes. */
#if defined(CONFIG_FPROBE) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define KTAP_HAS_FPROBE
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define ktap_fprobe_regs struct ftrace_regs
#define ktap_fprobe_retval(regs) ftrace_regs_get_return_value(regs)
#define ktap_fprobe_max_active(fprobe, count) ((void)(count))
#else
#define ktap_fprobe_regs struct pt_regs
#define ktap_fprobe_retval(regs) regs_return_value(regs)
#define ktap_fprobe_max_active(fprobe, count) ((void)((fprobe)->nr_maxactive = (count)))
#endif
#endif

/* A sample's raw record: said by a flag since 6.0, by the caller before. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define ktap_sample_has_raw(data) ((data)->sample_flags & PERF_SAMPLE_RAW)
#else
#define ktap_sample_has_raw(data) ((data)->raw != NULL)
#endif

/* Errors in per-CPU pointers, which later compilers keep in an address space of their own. */
#ifdef IS_ERR_PCPU
#define ktap_percpu_failed(pointer) IS_ERR_PCPU(pointer)
#define ktap_percpu_error(pointer) PTR_ERR_PCPU(pointer)
#else
#define ktap_percpu_failed(pointer) IS_ERR((void __force *)(pointer))
#define ktap_percpu_error(pointer) PTR_ERR((void __force *)(pointer))
#endif

/* Uprobes: the consumer's callbacks by their parameters, then registering. */
#ifdef CONFIG_UPROBES
#include <linux/uprobes.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define KTAP_UPROBE_FILTER(name) name(struct uprobe_consumer *consumer, struct mm_struct *mm)
#else
#define KTAP_UPROBE_FILTER(name) name(struct uprobe_consumer *consumer, enum uprobe_filter_ctx context, struct mm_struct *mm)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define KTAP_UPROBE_HANDLER(name) name(struct uprobe_consumer *consumer, struct pt_regs *regs, __u64 *data)
#define KTAP_URETPROBE_HANDLER(name) \
	name(struct uprobe_consumer *consumer, unsigned long func, struct pt_regs *regs, __u64 *data)
#else
#define KTAP_UPROBE_HANDLER(name) name(struct uprobe_consumer *consumer, struct pt_regs *regs)
#define KTAP_URETPROBE_HANDLER(name) name(struct uprobe_consumer *consumer, unsigned long func, struct pt_regs *regs)
#endif

/* What unregistering needs. */
struct ktap_uprobe_handle {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct uprobe *uprobe;
#else
	struct inode *inode;
	loff_t offset;
#endif
};

static inline int ktap_uprobe_register(struct ktap_uprobe_handle *handle, struct inode *inode, loff_t offset, loff_t counter,
				       struct uprobe_consumer *consumer)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct uprobe *uprobe = uprobe_register(inode, offset, counter, consumer);

	if (IS_ERR(uprobe))
		return PTR_ERR(uprobe);
	handle->uprobe = uprobe;
	return 0;
#else
	handle->inode = inode;
	handle->offset = offset;
	return counter ? uprobe_register_refctr(inode, offset, counter, consumer) : uprobe_register(inode, offset, consumer);
#endif
}

/* Before 6.12 it waits for handlers, too. */
static inline void ktap_uprobe_unregister(struct ktap_uprobe_handle *handle, struct uprobe_consumer *consumer)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	uprobe_unregister_nosync(handle->uprobe, consumer);
#else
	uprobe_unregister(handle->inode, handle->offset, consumer);
#endif
}

static inline void ktap_uprobe_sync(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	uprobe_unregister_sync();
#endif
}
#endif

/* Sets the return value in a function's registers. */
static __always_inline int ktap_set_return_value(struct pt_regs *regs, unsigned long value)
{
#if defined(CONFIG_X86) || defined(CONFIG_ARM64)
	regs_set_return_value(regs, value);
	return 0;
#elif defined(CONFIG_ARM)
	regs->ARM_r0 = value;
	return 0;
#elif defined(CONFIG_RISCV)
	regs->a0 = value;
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

/* Does nothing: a function's body in place of the one that is skipped. */
void ktap_return_at_once(void);

/* At a function's entry: the function returns at once. false: not on this architecture. */
static __always_inline bool ktap_skip_function(struct pt_regs *regs)
{
#if defined(CONFIG_X86)
	/* The return address lies on the stack; popping it here is heeded only where the probe is a trap. */
	instruction_pointer_set(regs, (unsigned long)ktap_return_at_once);
	return true;
#elif defined(CONFIG_ARM64)
	/* Where a call goes back to is no landing pad, as an indirect one asks for. */
	regs->pstate &= ~(u64)PSR_BTYPE_MASK;
	instruction_pointer_set(regs, regs->regs[30]);
	return true;
#else
	return false;
#endif
}

#endif
