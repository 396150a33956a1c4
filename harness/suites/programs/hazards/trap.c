// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How an ambush meets its victim: before it uses a page, the victim that is
 * wanted starts a timer, which wakes the other somewhere in the use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ambush.h"

#define FIRST_GUESS_NS 50000
#define SHORTEST_NS 500
#define LONGEST_NS 1000000
#define REST_NS 60000		/* others go on */
#define LONGEST_REST 60		/* times that */
#define IN_ONE_PLACE 64		/* ambushes, before the next victim's turn */
#define TURN_NS 300000		/* so long it may take to notice its turn */

struct victims victims;

static struct {
	int timer;
	unsigned long longest_ns;	/* that the use of a page takes */
	atomic_ulong delay_ns;		/* of this ambush */
	atomic_uint turn;		/* index of the victim that works now */
	atomic_bool wanted;		/* it is to start the timer */
	atomic_bool inside[MAX_THREADS];	/* started it, and has not left */
} trap;

void set_trap(struct run *run)
{
	trap.longest_ns = FIRST_GUESS_NS;
	trap.turn = 0;
	trap.wanted = false;
	trap.timer = timerfd_create(CLOCK_MONOTONIC,
				    TFD_CLOEXEC | TFD_NONBLOCK);
	if (trap.timer < 0)
		fail(run, "timerfd_create: %m");
}

void take_trap_away(void)
{
	close(trap.timer);
}

/*
 * One victim works at a time: where others did, every change would have to wait
 * for their CPUs to flush their TLBs.  False when there is no more work.
 */
bool next_turn(struct worker *worker)
{
	struct run *run = worker->run;

	while (trap.turn != worker->index && !run->failed &&
	       run->unfinished > 0)
		sleep_ns(TURN_NS);
	return going(worker);
}

/* By a victim, before it uses a page. */
void enter_page(struct worker *worker, size_t page)
{
	struct itimerspec when = { 0 };

	victims.at[worker->index] = page;
	if (trap.turn != worker->index || !trap.wanted)
		return;
	trap.wanted = false;
	trap.inside[worker->index] = true;
	when.it_value.tv_nsec = (long)trap.delay_ns;
	if (timerfd_settime(trap.timer, 0, &when, NULL))
		fail(worker->run, "timerfd_settime: %m");
}

/* Also where the kernel has refused it. */
void leave_page(struct worker *worker)
{
	trap.inside[worker->index] = false;
	victims.left[worker->index]++;
}

/* The one on whose CPU this operation's ambush is. */
static unsigned int victim_of(const struct worker *worker)
{
	return worker->ops / IN_ONE_PLACE % worker->run->opt.threads;
}

/* So that one in nine comes too late: then all of the use is covered. */
static void learn(bool in_time)
{
	if (in_time)
		trap.longest_ns += trap.longest_ns / 64;
	else
		trap.longest_ns -= trap.longest_ns / 8;
	if (trap.longest_ns < SHORTEST_NS)
		trap.longest_ns = SHORTEST_NS;
	if (trap.longest_ns > LONGEST_NS)
		trap.longest_ns = LONGEST_NS;
}

/* Until an interrupt of this operation's victim. */
void lie_in_wait(struct worker *worker)
{
	struct pollfd timer = { .fd = trap.timer, .events = POLLIN };
	struct run *run = worker->run;
	unsigned int victim = victim_of(worker);
	uint64_t times;

	if (worker->ops % IN_ONE_PLACE <= 1) {
		stay_on_cpu(victim, SCHED_FIFO);
		trap.turn = victim;
	}
	trap.delay_ns = 1 + random_next(&worker->random) % trap.longest_ns;
	trap.wanted = true;
	while (poll(&timer, 1, 100) != 1 && !run->failed)
		;
	learn(trap.inside[victim]);
	if (read(trap.timer, &times, sizeof(times)) < 0 && errno != EAGAIN)
		fail(run, "read of a timer: %m");
}

/* Until the victim has ended what it was interrupted in. */
void let_go_on(struct worker *worker)
{
	atomic_ulong *left = &victims.left[victim_of(worker)];
	unsigned long before = *left;
	unsigned int i;

	for (i = 0; i < LONGEST_REST && *left == before; i++)
		sleep_ns(REST_NS);
}

volatile uint64_t *word_at(const struct run *run, size_t page)
{
	return (volatile uint64_t *)page_at(run, run->area, page);
}
