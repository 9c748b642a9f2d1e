/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Overriding what a function returns: what the kprobes' room and this one ask of each other.
 *
 * In: nothing. Out: two questions. Invariant: only a function that the kernel itself has marked for error injection is ever left at its entry.
 */
#ifndef KTAP_SET_RETVAL_H
#define KTAP_SET_RETVAL_H

#include <linux/types.h>

struct ktap_probe;

/* Process. The function that begins at this address may return an error instead of running. */
bool ktap_error_injectable(unsigned long function);

/* Process, the module is about to go: no task is left on its way out of a function that was left. */
void ktap_set_retval_exit(void);

/* probe_kprobe.c: the probe stands at the entry of such a function, in a way in which the kernel heeds a changed instruction pointer. */
bool ktap_kprobe_overrides(const struct ktap_probe *probe);

#endif
