// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers: by name, as arguments, as text.
 *
 * In: struct pt_regs of a probed place, or NULL. Out: words. Invariant: only words inside struct pt_regs are read; without registers everything is 0.
 */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/string.h>

#include "probe.h"

struct ktap_register {
	const char *name;
	u32 offset;
};

#define REG(field) { #field, offsetof(struct pt_regs, field) }

/* Names as the kernel's kprobe events have them, in the order of their text. */
static const struct ktap_register ktap_registers[] = {
#if defined(CONFIG_X86_64)
	REG(ax), REG(bx), REG(cx), REG(dx), REG(si), REG(di), REG(bp), REG(sp), REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13),
	REG(r14), REG(r15), REG(ip), REG(flags), REG(orig_ax), REG(cs), REG(ss),
#elif defined(CONFIG_ARM64)
#define X(n) { "x" #n, offsetof(struct pt_regs, regs[n]) }
	X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), X(15), X(16), X(17), X(18), X(19), X(20),
	X(21), X(22), X(23), X(24), X(25), X(26), X(27), X(28), X(29), X(30), { "lr", offsetof(struct pt_regs, regs[30]) }, REG(sp), REG(pc),
	REG(pstate),
#undef X
#endif
};

/* Where the first integer arguments of a function are. */
static const u32 ktap_arguments[] = {
#if defined(CONFIG_X86_64)
	offsetof(struct pt_regs, di), offsetof(struct pt_regs, si), offsetof(struct pt_regs, dx), offsetof(struct pt_regs, cx),
	offsetof(struct pt_regs, r8), offsetof(struct pt_regs, r9),
#elif defined(CONFIG_ARM64)
	offsetof(struct pt_regs, regs[0]), offsetof(struct pt_regs, regs[1]), offsetof(struct pt_regs, regs[2]), offsetof(struct pt_regs, regs[3]),
	offsetof(struct pt_regs, regs[4]), offsetof(struct pt_regs, regs[5]), offsetof(struct pt_regs, regs[6]), offsetof(struct pt_regs, regs[7]),
#endif
};

s64 kph_register(const u8 *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ktap_registers); i++)
		if (strlen(ktap_registers[i].name) == len && !memcmp(ktap_registers[i].name, name, len))
			return ktap_registers[i].offset;
	return -1;
}

u64 kph_regs_word(const void *regs, u32 offset)
{
	if (!regs || offset > sizeof(struct pt_regs) - sizeof(unsigned long) || offset % sizeof(unsigned long))
		return 0;
	return *(const unsigned long *)((const u8 *)regs + offset);
}
NOKPROBE_SYMBOL(kph_regs_word);

u64 kph_regs_argument(const void *regs, u32 n)
{
	if (!n || n > ARRAY_SIZE(ktap_arguments))
		return 0;
	return kph_regs_word(regs, ktap_arguments[n - 1]);
}
NOKPROBE_SYMBOL(kph_regs_argument);

u64 kph_regs_retval(const void *regs)
{
	return regs ? regs_return_value((struct pt_regs *)regs) : 0;
}
NOKPROBE_SYMBOL(kph_regs_retval);

u64 kph_regs_stack(const void *regs)
{
	/* Kernel and user stack pointers stand in the same place on the architectures with a table above. */
	return regs ? user_stack_pointer((struct pt_regs *)regs) : 0;
}
NOKPROBE_SYMBOL(kph_regs_stack);

/* Appends as much of a text as has room; returns the new length. */
static size_t ktap_append(u8 *out, size_t len, size_t room, const char *text)
{
	while (*text && len < room)
		out[len++] = *text++;
	return len;
}
NOKPROBE_SYMBOL(ktap_append);

/* `{ax: 0x1, bx: 0x2}`. Formatted by hand: printk's formatter may be what is probed. */
size_t kph_regs_text(const void *regs, u8 *out, size_t room)
{
	size_t len = 0, i;

	for (i = 0; regs && i < ARRAY_SIZE(ktap_registers); i++) {
		u64 word = kph_regs_word(regs, ktap_registers[i].offset);
		char digits[17];
		int at = sizeof(digits) - 1;

		if (i && ktap_registers[i].offset == ktap_registers[i - 1].offset)
			continue;
		digits[at] = 0;
		do {
			digits[--at] = "0123456789abcdef"[word & 15];
			word >>= 4;
		} while (word);
		len = ktap_append(out, len, room, i ? ", " : "{");
		len = ktap_append(out, len, room, ktap_registers[i].name);
		len = ktap_append(out, len, room, ": 0x");
		len = ktap_append(out, len, room, digits + at);
	}
	return len ? ktap_append(out, len, room, "}") : 0;
}
NOKPROBE_SYMBOL(kph_regs_text);
