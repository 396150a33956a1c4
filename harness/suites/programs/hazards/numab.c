// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NUMA balancing (CONFIG_NUMA_BALANCING) gives each VMA that it scans a state
 * of its own, `numab_state`, which goes with the VMA.  Here VMAs that have one
 * are split, merged, copied by fork and unmapped, while the next scan comes: a
 * state that two of them share, or one has of a former life, is freed twice.
 *
 * Each thread's stripe is followed by a gap of as many pages, which is what is
 * changed.  A scan takes the rights to the pages away and faults give them
 * back, under the VMA's lock: no page may change by that.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define STRIPE 16

#define SWITCH "/proc/sys/kernel/numa_balancing"
#define SCAN "/sys/kernel/debug/sched/numa_balancing/"

/*
 * As often as the scheduler's tick allows: 16 MiB at a time, all that there is
 * here, and not more than 2560 MiB/s, which makes it 6 ms at the least.
 */
static const struct {
	const char *path;
	long value;
} settings[] = {
	{ SCAN "scan_size_mb", 16 },
	{ SCAN "scan_delay_ms", 1 },
	{ SCAN "scan_period_min_ms", 1 },
	{ SCAN "scan_period_max_ms", 10 },
	{ SWITCH, 1 },
};

/* A change waits for a scan; after some that have not come, no more. */
#define POLL_NS 2000000
#define MOST_POLLS 1000		/* on a busy host a tick may take its time */
#define MOST_MISSED 4

static const char *const counters[] = { "numa_pte_updates", "numa_hint_faults",
					"numa_pages_migrated" };

static struct {
	uint64_t before[ARRAY_SIZE(counters)];
	unsigned int missed;
} state;

static unsigned char *gap_of(struct run *run, size_t number)
{
	return page_at(run, run->area, number * stride(run) + STRIPE);
}

static void write_gap(struct run *run, size_t number)
{
	size_t n;

	for (n = 0; n < STRIPE; n++)
		fill_page(run, page_at(run, gap_of(run, number), n),
			  number * STRIPE + n);
}

static bool gap_is_written(struct run *run, size_t number)
{
	size_t n;

	for (n = 0; n < STRIPE; n++)
		if (!check_filled(run, page_at(run, gap_of(run, number), n),
				  number * STRIPE + n))
			return false;
	return true;
}

static void balance(struct run *run)
{
	size_t i;

	if (access(SWITCH, F_OK)) {
		skip(run, "%s: %m (CONFIG_NUMA_BALANCING)", SWITCH);
		return;
	}
	if (!run->opt.own_machine) {
		skip(run, "NUMA balancing all the time needs --own-machine");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (!change_setting(settings[i].path, settings[i].value)) {
			skip(run, "%s: %m (CONFIG_DEBUG_FS, CONFIG_SCHED_DEBUG)",
			     settings[i].path);
			return;
		}
	state.missed = 0;
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (!vmstat_value(counters[i], &state.before[i])) {
			skip(run, "/proc/vmstat has no %s", counters[i]);
			return;
		}
	map_area(run);
	for (i = 0; i < run->opt.threads && !run->failed; i++)
		write_gap(run, i);
}

/* Until a scan has been there that began after the call, or nearly so. */
static void await_scan(struct run *run)
{
	uint64_t before = 0, now = 0;
	unsigned int i;

	if (state.missed >= MOST_MISSED)
		return;
	vmstat_value(counters[0], &before);
	for (i = 0; i < MOST_POLLS && !run->failed; i++) {
		sleep_ns(POLL_NS);
		alive(run);
		vmstat_value(counters[0], &now);
		if (now != before)
			return;
	}
	state.missed++;
}

/* Every other page becomes a VMA of its own, has a state, and is none again. */
static bool split_and_merge(struct run *run, size_t number)
{
	unsigned char *gap = gap_of(run, number);
	uint64_t begin;
	size_t n;

	for (n = 0; n < STRIPE; n += 2)
		if (mprotect(page_at(run, gap, n), run->page_size,
			     PROT_RW | PROT_EXEC)) {
			fail(run, "mprotect of gap %zu: %m", number);
			return false;
		}
	await_scan(run);
	begin = now_ns();
	if (mprotect(gap, STRIPE * run->page_size, PROT_RW)) {
		fail(run, "mprotect of gap %zu: %m", number);
		return false;
	}
	sample(run, now_ns() - begin);
	return gap_is_written(run, number);
}

/* The child has copies of all VMAs: it splits, unmaps and loses them. */
static void use_copies(struct run *run, unsigned int number)
{
	size_t i;

	for (i = 0; i < run->opt.threads; i++)
		if (!gap_is_written(run, i))
			return;
	run->opt.seed++;	/* another pattern than the parent's */
	write_gap(run, number);
	if (!gap_is_written(run, number))
		return;
	if (munmap(page_at(run, gap_of(run, number), STRIPE / 4),
		   STRIPE / 2 * run->page_size))
		fail(run, "munmap in gap %u: %m", number);
}

static bool copy(struct run *run, size_t number)
{
	pid_t pid = start_child(run, use_copies, (unsigned int)number);

	return pid && collect(run, pid, 0) && gap_is_written(run, number);
}

static bool renew(struct run *run, size_t number)
{
	struct range range = {
		.first = number * stride(run) + STRIPE,
		.pages = STRIPE,
		.start = gap_of(run, number),
		.size = STRIPE * run->page_size,
	};
	size_t n;

	if (munmap(range.start, range.size)) {
		fail(run, "munmap of gap %zu: %m", number);
		return false;
	}
	if (!map_over(run, &range, PROT_RW, MAP_FIXED_NOREPLACE))
		return false;
	for (n = 0; n < STRIPE; n++)
		if (!is_zero(run, page_at(run, range.start, n))) {
			fail(run, "page %zu of new memory is not empty",
			     range.first + n);
			return false;
		}
	write_gap(run, number);
	return true;
}

static void change_always(struct worker *worker)
{
	static bool (*const changes[])(struct run *, size_t) = {
		split_and_merge, copy, renew,
	};
	struct run *run = worker->run;

	while (going(worker)) {
		size_t gap = random_next(&worker->random) % run->opt.threads;

		await_scan(run);
		if (!changes[worker->ops % ARRAY_SIZE(changes)](run, gap))
			return;
	}
}

static void report_scans(struct run *run)
{
	uint64_t now;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (vmstat_value(counters[i], &now))
			metric(counters[i], (double)(now - state.before[i]),
			       "events", run->operations);
}

static void unmap_what_is_there(struct run *run)
{
	if (run->area)
		unmap_area(run);
}

const struct workload numab = {
	.name = "numab",
	.summary = "VMAs that NUMA balancing scans are split, copied, unmapped",
	.ops = 45,
	.window = STRIPE,
	.stride = 2 * STRIPE,
	.setup = balance,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "change", change_always, 1, 1 },
	},
	.report = report_scans,
	.teardown = unmap_what_is_there,
};
