// SPDX-License-Identifier: GPL-2.0-only
/*
 * Overriding what a function or a system call returns.
 *
 * In: an event and a value. Out: changed registers. Invariant: a function of the kernel is skipped only if the kernel has it on its list for error injection; where
 * the kernel has no such list, none is.
 */
#include <linux/error-injection.h>
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/static_call.h>
#include <asm/syscall.h>

#include "probe.h"
#include "set_retval.h"

#ifdef CONFIG_FUNCTION_ERROR_INJECTION
/*
 * The kernel's question is not exported. It is called directly, as a static call is where the processor checks the targets of indirect calls: a function whose address
 * the kernel itself takes nowhere has lost its landing pad there.
 */
DEFINE_STATIC_CALL_NULL(ktap_within_list, within_error_injection_list);
static DEFINE_MUTEX(finding);
static bool looked, found;

static bool find_list(void)
{
	struct kprobe kp = { .symbol_name = "within_error_injection_list", .flags = KPROBE_FLAG_DISABLED };

	mutex_lock(&finding);
	if (!looked) {
		looked = true;
		if (!register_kprobe(&kp)) {
			void *address = kp.addr;

			unregister_kprobe(&kp);
			static_call_update(ktap_within_list, (typeof(&within_error_injection_list))address);
			found = true;
		}
	}
	mutex_unlock(&finding);
	return found;
}

bool ktap_error_injectable(unsigned long function)
{
	return find_list() && static_call(ktap_within_list)(function);
}
#else
bool ktap_error_injectable(unsigned long function)
{
	return false;
}
#endif

/* Jumped to with the skipped function's registers, of which it must touch none. */
void noinline notrace ktap_return_at_once(void)
{
}
NOKPROBE_SYMBOL(ktap_return_at_once);

static bool ktap_skipped;

/* A task may have been preempted where ktap_return_at_once() begins. */
void ktap_set_retval_exit(void)
{
	if (READ_ONCE(ktap_skipped))
		synchronize_rcu_tasks();
}

static int skip_function(const struct kp_event *event, u64 value)
{
	struct pt_regs *regs = (struct pt_regs *)event->regs;

	if (!IS_ENABLED(CONFIG_FUNCTION_ERROR_INJECTION))
		return -EOPNOTSUPP;
	if (!ktap_kprobe_overrides(event->probe))
		return -EPERM;
	if (!ktap_skip_function(regs))
		return -EOPNOTSUPP;
	WRITE_ONCE(ktap_skipped, true);
	return ktap_set_return_value(regs, value);
}

int kph_set_retval(const struct kp_event *event, u64 value)
{
	struct pt_regs *regs;

	if (!event || !event->regs)
		return -EOPNOTSUPP;
	regs = (struct pt_regs *)event->regs;
	switch (event->probe->kind) {
	case KTAP_KPROBE:
		return skip_function(event, value);
	case KTAP_KRETPROBE:
	case KTAP_URETPROBE:
		return ktap_set_return_value(regs, value);
	case KTAP_SYSCALL_EXIT:
		syscall_set_return_value(current, regs, 0, value);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}
