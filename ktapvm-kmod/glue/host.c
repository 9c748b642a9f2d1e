// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Rust may know and read: memory, clocks, the task, and the machine's memory without faults.
 *
 * In: calls from Rust in any context. Out: facts. Invariant: a read never faults, never sleeps and never crosses between user and kernel addresses, whatever
 * the address is.
 */
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/kprobes.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>
#include <asm/word-at-a-time.h>

#include "probe.h"

#define KTAP_ALIGN 64
#define KTAP_GFP (GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

void *kph_alloc(size_t bytes)
{
	/* Blocks of a power of two are aligned to their size. */
	if (bytes < PAGE_SIZE)
		return kmalloc(roundup_pow_of_two(max_t(size_t, bytes, KTAP_ALIGN)), KTAP_GFP);
	return __vmalloc(bytes, KTAP_GFP);
}

void kph_free(void *memory)
{
	kvfree(memory);
}

u64 kph_time_ns(void)
{
	return ktime_get_mono_fast_ns();
}
NOKPROBE_SYMBOL(kph_time_ns);

u64 kph_wall_ns(void)
{
	return ktime_get_real_fast_ns();
}
NOKPROBE_SYMBOL(kph_wall_ns);

u32 kph_pid(void)
{
	return current->tgid;
}
NOKPROBE_SYMBOL(kph_pid);

u32 kph_tid(void)
{
	return current->pid;
}
NOKPROBE_SYMBOL(kph_tid);

u32 kph_uid(void)
{
	/* A task's own credentials stay while it runs. */
	return __kuid_val(current_uid());
}
NOKPROBE_SYMBOL(kph_uid);

u32 kph_cpu(void)
{
	return raw_smp_processor_id();
}
NOKPROBE_SYMBOL(kph_cpu);

u32 kph_cpus_possible(void)
{
	/* Numbers may have holes; frames are found by number. */
	return nr_cpu_ids;
}

u32 kph_cpus_online(void)
{
	return num_online_cpus();
}
NOKPROBE_SYMBOL(kph_cpus_online);

u32 kph_comm(u8 *out)
{
	/*
	 * Without the lock: a name that is just being changed may come mixed, as in the kernel's own trace events. By words, as it is asked for at every event;
	 * what lies behind the NUL is cleared, for names are remembered by all their bytes.
	 */
	const struct word_at_a_time constants = WORD_AT_A_TIME_CONSTANTS;
	unsigned long words[TASK_COMM_LEN / sizeof(unsigned long)], zeros;
	u32 i, len = TASK_COMM_LEN;

	memcpy(words, current->comm, TASK_COMM_LEN);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (len < TASK_COMM_LEN) {
			words[i] = 0;
		} else if (has_zero(words[i], &zeros, &constants)) {
			zeros = create_zero_mask(prep_zero_mask(words[i], zeros, &constants));
			words[i] &= zero_bytemask(zeros);
			len = i * sizeof(unsigned long) + find_zero(zeros);
		}
	}
	memcpy(out, words, TASK_COMM_LEN);
	return len;
}
NOKPROBE_SYMBOL(kph_comm);

const u8 *kph_machine(size_t *len)
{
	*len = strnlen(init_utsname()->machine, __NEW_UTS_LEN);
	return init_utsname()->machine;
}
NOKPROBE_SYMBOL(kph_machine);

const u8 *kph_release(size_t *len)
{
	*len = strnlen(init_utsname()->release, __NEW_UTS_LEN);
	return init_utsname()->release;
}
NOKPROBE_SYMBOL(kph_release);

u32 kph_in_nmi(void)
{
	return !!(preempt_count() & NMI_MASK);
}
NOKPROBE_SYMBOL(kph_in_nmi);

s64 kph_in_interrupt(void)
{
	return preempt_count() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_MASK);
}
NOKPROBE_SYMBOL(kph_in_interrupt);

s64 kph_in_iowait(void)
{
	return current->in_iowait;
}
NOKPROBE_SYMBOL(kph_in_iowait);

u32 kph_pause(void)
{
	cond_resched();
	return !fatal_signal_pending(current);
}

/* Depth of what Rust has locked on this CPU outside NMIs: see ktap_nested(). */
DEFINE_PER_CPU(u32, ktap_locked);

u64 kph_irq_save(void)
{
	unsigned long flags;

	/* raw: the tracepoints of the others would fire while Rust holds a lock. */
	raw_local_irq_save(flags);
	__this_cpu_inc(ktap_locked);
	return flags;
}
NOKPROBE_SYMBOL(kph_irq_save);

void kph_irq_restore(u64 flags)
{
	__this_cpu_dec(ktap_locked);
	raw_local_irq_restore((unsigned long)flags);
}
NOKPROBE_SYMBOL(kph_irq_restore);

int kph_read(u32 memory, u64 address, void *out, size_t len)
{
	unsigned long at = address;

	if (at != address || at + len < at)
		return -EFAULT;
	if (memory == KTAP_ANY_MEMORY)
		memory = ktap_user_range(at, len) ? KTAP_USER_MEMORY : KTAP_KERNEL_MEMORY;
	if (memory == KTAP_KERNEL_MEMORY)
		return ktap_kernel_range(at, len) && !copy_from_kernel_nofault(out, (void *)at, len) ? 0 : -EFAULT;
	/* A thread of the kernel runs on somebody else's memory. */
	if (!current->mm || current->flags & PF_KTHREAD || !ktap_user_range(at, len))
		return -EFAULT;
	return ktap_copy_user(out, (void __user *)at, len) ? -EFAULT : 0;
}
NOKPROBE_SYMBOL(kph_read);

/* Pieces are aligned to their size and so lie in one page: what cannot be read of one cannot be read at all. */
#define KTAP_PIECE 64

size_t kph_read_str(u32 memory, u64 address, u8 *out, size_t len)
{
	size_t done = 0;

	while (done < len) {
		u64 at = address + done;
		size_t piece = min_t(size_t, KTAP_PIECE - (at & (KTAP_PIECE - 1)), len - done);
		size_t got;

		if (kph_read(memory, at, out + done, piece))
			break;
		got = strnlen(out + done, piece);
		done += got;
		if (got < piece)
			break;
	}
	return done;
}
NOKPROBE_SYMBOL(kph_read_str);

int kph_task_field(u64 offset, u32 bytes, u64 *out)
{
	u32 word = 0;
	int error;

	if ((bytes != 4 && bytes != 8) || offset > KTAP_TASK_BYTES - bytes)
		return -EINVAL;
	if (bytes == 8)
		return copy_from_kernel_nofault(out, (u8 *)current + offset, 8);
	error = copy_from_kernel_nofault(&word, (u8 *)current + offset, 4);
	*out = word;
	return error;
}
NOKPROBE_SYMBOL(kph_task_field);
