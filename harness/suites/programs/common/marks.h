/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks: where what is timed begins and ends, for who watches the guest from
 * outside (harness/guest/plugin).  A mark is one instruction that does
 * nothing, and that no compiler makes: the program is the same whether or not
 * somebody watches.
 *
 *	mark(MARK_CASE)		once, at the beginning of a case
 *	mark(MARK_WARMUP)	before a repetition that will be discarded
 *	mark(MARK_MEASURED)	before one that counts
 *	mark(MARK_BEGIN(n))	right after the clock was read that begins
 *	mark(MARK_END(n))	right before the clock is read that ends
 *
 * n is below 16: 0 for the main cost of a case, others for its further ones.
 * The time is that in which any thread is between its two marks.
 */
#ifndef MARKS_H
#define MARKS_H

#define MARK_CASE	0x01
#define MARK_WARMUP	0x02
#define MARK_MEASURED	0x03
#define MARK_BEGIN(n)	(0x10 + (n))
#define MARK_END(n)	(0x20 + (n))

/* The code must be a constant. */
#if defined(__x86_64__)
/* nopl 0x564d4800+code(%rax): no memory is read */
#define mark(code) \
	asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" \
		     : : "i" (0x564d4800 + (code)) : "memory")
#elif defined(__aarch64__)
/* movz xzr, #(0x4d00 + code), lsl #48 */
#define mark(code) \
	asm volatile(".inst 0xd2e00000 + (%c0 << 5) + 31" \
		     : : "i" (0x4d00 + (code)) : "memory")
#else
#define mark(code) do { } while (0)
#endif

#endif
