/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes out of an ambush.  Each thread that faults, a victim, has a CPU to
 * itself, and works when it is its turn; the one that changes mappings waits
 * there at a real-time priority, for a timer that the victim starts just before
 * it uses a page.  The timer interrupts it anywhere in the fault, the mapping
 * changes before it can go on, and then it goes on.  So windows of a few
 * instructions are hit that two CPUs beside each other rarely hit.
 */
#ifndef AMBUSH_H
#define AMBUSH_H

#include "hazards.h"

#define AMBUSH_STRIPE 12

struct victims {
	atomic_size_t at[MAX_THREADS];		/* the page that each uses */
	atomic_ulong left[MAX_THREADS];		/* pages, used or refused */
	atomic_ulong opened;	/* ambushes that are over: all is as before */
};

extern struct victims victims;

/* trap.c */
void set_trap(struct run *run);
void take_trap_away(void);
bool next_turn(struct worker *worker);
void enter_page(struct worker *worker, size_t page);
void leave_page(struct worker *worker, bool refused);
void lie_in_wait(struct worker *worker);
void let_go_on(struct worker *worker);
volatile uint64_t *word_at(const struct run *run, size_t page);

#endif
