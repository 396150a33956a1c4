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

#define FIRST_GUESS_NS 20000
#define LONGEST_NS 1000000	/* what takes longer was interrupted */
#define REST_NS 60000		/* others go on */
#define LONGEST_REST 60		/* times that */
#define IN_ONE_PLACE 20		/* ambushes, before the next victim's turn */
#define TURN_NS 300000		/* so long it may take to notice its turn */

struct victims victims;

static struct {
	int timer;
	atomic_ulong start_ns;		/* that starting it takes, at least */
	atomic_ulong use_ns;		/* that using a page takes, mostly */
	atomic_ulong delay_ns;		/* of this ambush */
	atomic_uint turn;		/* index of the victim that works now */
	atomic_bool wanted;		/* it is to start the timer */
} trap = { .timer = -1 };

static __thread uint64_t entered_ns;	/* 0: with a timer */

void set_trap(struct run *run)
{
	trap.start_ns = LONGEST_NS;
	trap.use_ns = FIRST_GUESS_NS;
	trap.turn = 0;
	trap.wanted = false;
	trap.timer = timerfd_create(CLOCK_MONOTONIC,
				    TFD_CLOEXEC | TFD_NONBLOCK);
	if (trap.timer < 0)
		fail(run, "timerfd_create: %m");
}

/* Also where setup has failed before there was one. */
void take_trap_away(void)
{
	if (trap.timer >= 0)
		close(trap.timer);
	trap.timer = -1;
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

static void start_timer(struct run *run)
{
	struct itimerspec when = { .it_value.tv_nsec = (long)trap.delay_ns };
	uint64_t begin = now_ns(), took;

	if (timerfd_settime(trap.timer, 0, &when, NULL))
		fail(run, "timerfd_settime: %m");
	took = now_ns() - begin;
	if (took < trap.start_ns)
		trap.start_ns = took;
}

/* By a victim, before it uses a page. */
void enter_page(struct worker *worker, size_t page)
{
	victims.at[worker->index] = page;
	if (trap.turn == worker->index && trap.wanted) {
		trap.wanted = false;
		entered_ns = 0;
		start_timer(worker->run);
	} else {
		entered_ns = now_ns();
	}
}

/* Also where the kernel has refused it. */
void leave_page(struct worker *worker, bool refused)
{
	uint64_t took = now_ns() - entered_ns;

	if (!refused && entered_ns && took < LONGEST_NS)
		trap.use_ns = (7 * trap.use_ns + took) / 8;
	victims.left[worker->index]++;
}

/* The one on whose CPU this operation's ambush is. */
static unsigned int victim_of(const struct worker *worker)
{
	return worker->ops / IN_ONE_PLACE % worker->run->opt.threads;
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
	trap.delay_ns = trap.start_ns / 2 +
			random_next(&worker->random) %
			(trap.start_ns / 2 + trap.use_ns + 1) + 1;
	trap.wanted = true;
	while (poll(&timer, 1, 100) != 1 && !run->failed)
		;
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
