// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time: that of the kernel's monotonic clock, or, where an emulator makes a
 * nanosecond of each instruction, the CPU's counter itself.  The kernel has
 * found out how fast that goes by another timer: its nanoseconds are a few
 * millionths too long or too short, another few in another kernel.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define SECOND 1000000000u

/*
 * Between two readings of the counter nothing takes as long but an interrupt.
 * Reading it is dear to an emulator, so something cheap is done between.
 */
#define GAP_NS 1500
#define TURNS 100	/* of two or three instructions */
#define LONGEST_WAIT_NS 20000000

#define SETTLE_NS 200000000

static bool counted;

static uint64_t to_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec;
}

/* Of x86_64 exact guests it counts nanoseconds, whatever it says. */
static uint64_t counter_ns(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ __volatile__("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
	uint64_t ticks, rate;

	__asm__ __volatile__("isb; mrs %0, cntvct_el0" : "=r"(ticks));
	__asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(rate));
	return ticks / rate * SECOND + ticks % rate * SECOND / rate;
#else
	die("there is no counter of this CPU");
#endif
}

/* False: there is no clock of that name. */
bool set_clock(const char *name)
{
	counted = !strcmp(name, "counter");
	return counted || !strcmp(name, "monotonic");
}

/* Whether time is a number of instructions, of all CPUs together. */
bool clock_counts(void)
{
	return counted;
}

uint64_t now_ns(void)
{
	struct timespec now;

	if (counted)
		return counter_ns();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return to_ns(&now);
}

/* A kernel without a good clock source counts ticks, of some milliseconds. */
uint64_t clock_resolution_ns(void)
{
	struct timespec tick;

	if (counted)
		return 1;
	clock_getres(CLOCK_MONOTONIC, &tick);
	return to_ns(&tick);
}

/*
 * Until all is at rest: RCU has freed what was left to it, and kernel threads
 * have done what they had put off.  The time of an idle guest whose
 * instructions are counted is free.  Of one CPU: where several go idle, QEMU
 * has been seen not to let them take turns in the same way again.
 */
void settle(void)
{
	const struct timespec rest = { .tv_nsec = SETTLE_NS };

	if (counted && sysconf(_SC_NPROCESSORS_ONLN) == 1)
		nanosleep(&rest, NULL);
}

/*
 * Until this CPU's timer interrupt has just been there: what is as short as its
 * period, and begins now, has none in it.  Only where instructions are counted.
 */
void await_tick(void)
{
	uint64_t begin, last, now;
	unsigned int turns;

	if (!counted)
		return;
	for (begin = last = now_ns();; last = now) {
		for (turns = TURNS; turns; turns--)
			__asm__ __volatile__("");
		now = now_ns();
		if (now - last > GAP_NS || now - begin > LONGEST_WAIT_NS)
			return;
	}
}
