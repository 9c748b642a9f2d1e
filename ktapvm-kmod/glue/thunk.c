// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where Rust's functions return through.
 *
 * In: kernels without thunks for returns: built without that mitigation, or older than it. Out: the thunk's name, that one object may serve all kernels.
 * Invariant: a kernel that has thunks gives its own, which it patches for the processor it runs on.
 */
#include <linux/kconfig.h>

#if defined(CONFIG_X86_64) && !defined(CONFIG_RETHUNK) && !defined(CONFIG_MITIGATION_RETHUNK)
asm(".pushsection .text\n"
    ".globl __x86_return_thunk\n"
    ".type __x86_return_thunk, @function\n"
    "__x86_return_thunk:\n"
    "	ret\n"
    "	int3\n"
    ".size __x86_return_thunk, . - __x86_return_thunk\n"
    ".popsection\n");
#endif
