/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels and architectures under one name.
 *
 * In: the kernel's version. Out: ktap_* functions. Invariant: no other file asks for a version.
 */
#ifndef KTAP_COMPAT_H
#define KTAP_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/ptrace.h>
#include <linux/version.h>

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

#endif
