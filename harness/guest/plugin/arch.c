// SPDX-License-Identifier: GPL-2.0-or-later
/* What must be known of an architecture's instructions. */
#include <string.h>

#include "counting.h"

static uint32_t word(const uint8_t *code)
{
	uint32_t value;

	memcpy(&value, code, sizeof(value));
	return value;
}

/* --- x86_64 (Intel SDM volume 2, appendix A) ------------------------------ */

static enum ending x86_ending(const uint8_t *code, size_t size)
{
	size_t at = 0;
	uint8_t op, form;

	/* Prefixes, REX last; REX.W and others change none of what follows. */
	while (at < size && (memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf2\xf3",
				    code[at], 10) || (code[at] & 0xf0) == 0x40))
		at++;
	if (at >= size)
		return GOES_ON;
	op = code[at];
	form = at + 1 < size ? code[at + 1] : 0;
	switch (op) {
	case 0xe8:
		return CALLS;
	case 0xc2: case 0xc3:
		return RETURNS;
	case 0xcf:
		return LEAVES;				/* iret */
	case 0xcc: case 0xcd:
		return TRAPS;				/* int3, int */
	case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe9: case 0xeb:
		return JUMPS;
	case 0xff:
		if ((form >> 3 & 7) == 2)
			return CALLS;
		return (form >> 3 & 7) == 4 && form >= 0xc0 ? JUMPS : GOES_ON;
	case 0x0f:
		if (form == 0x07 || form == 0x35)
			return LEAVES;			/* sysret, sysexit */
		if (form == 0x05 || form == 0x0b)
			return TRAPS;			/* syscall, ud2 */
		return (form & 0xf0) == 0x80 ? JUMPS : GOES_ON;
	default:
		return (op & 0xf0) == 0x70 ? JUMPS : GOES_ON;
	}
}

static int x86_mark(const uint8_t *code, size_t size)
{
	if (size != 7 || memcmp(code, "\x0f\x1f\x80", 3))
		return -1;
	return (word(code + 3) & ~0xffu) == 0x564d4800 ? code[3] : -1;
}

/* mov %rsp, disp32(%rdi) and mov disp32(%rsi), %rsp of __switch_to_asm */
static bool x86_saves_task(const uint8_t *code, size_t size)
{
	return size == 7 && !memcmp(code, "\x48\x89\xa7", 3);
}

static bool x86_loads_task(const uint8_t *code, size_t size)
{
	return size == 7 && !memcmp(code, "\x48\x8b\xa6", 3);
}

/* --- arm64 (Arm ARM, C4.1) ------------------------------------------------ */

static enum ending arm64_ending(const uint8_t *code, size_t size)
{
	uint32_t op = size == 4 ? word(code) : 0;

	if (op >> 26 == 0x25)
		return CALLS;					/* bl */
	if (op >> 26 == 0x05 || op >> 24 == 0x54 ||
	    (op & 0x7c000000) == 0x34000000)
		return JUMPS;			/* b, b.cond, cbz, tbz */
	if (op >> 24 == 0xd4)
		return TRAPS;				/* svc, brk, hvc */
	if ((op & 0xfe000000) != 0xd6000000)
		return GOES_ON;
	/* Through a register, with or without authentication of it. */
	switch (op >> 21 & 7) {
	case 1:
		return CALLS;
	case 2:
		return RETURNS;
	case 4:
		return LEAVES;
	default:
		return JUMPS;
	}
}

static int arm64_mark(const uint8_t *code, size_t size)
{
	uint32_t op = size == 4 ? word(code) : 0;

	if ((op & 0xffe0001f) != 0xd2e0001f || (op >> 13 & 0xff) != 0x4d)
		return -1;
	return op >> 5 & 0xff;
}

/* stp x19, x20, [x8], #16 and the ldp like it are the first of cpu_switch_to */
static bool arm64_saves_task(const uint8_t *code, size_t size)
{
	return size == 4 && (word(code) & 0xfe40001f) == 0xa8000013;
}

static bool arm64_loads_task(const uint8_t *code, size_t size)
{
	return size == 4 && (word(code) & 0xfe40001f) == 0xa8400013;
}

static const struct decoder decoders[] = {
	{ "x86_64", x86_ending, x86_mark, x86_saves_task, x86_loads_task },
	{ "aarch64", arm64_ending, arm64_mark, arm64_saves_task,
	  arm64_loads_task },
};

/* NULL: we know nothing of it. */
const struct decoder *decoder_of(const char *target)
{
	size_t i;

	for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (!strcmp(decoders[i].target, target))
			return &decoders[i];
	return NULL;
}
