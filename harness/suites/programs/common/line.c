// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A line: threads, or processes, that begin at once.  Nobody sleeps in it, for
 * to be woken while others work would be in the price of the work.
 */
#include <sched.h>

#include "program.h"

#define SPINS 1000	/* before it may be that others wait for this CPU */

/* An emulator of one CPU at a time takes the next one at this instruction. */
static void pause_cpu(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("pause");
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

/* `lines`: in how many the caller stood; `nr`: how many stand in each. */
void line_up(atomic_uint *standing, unsigned int *lines, unsigned int nr)
{
	unsigned int all = ++*lines * nr;
	unsigned int spins = 0;

	++*standing;
	while ((int)(*standing - all) < 0) {
		pause_cpu();
		if (++spins > SPINS)
			sched_yield();
	}
}
