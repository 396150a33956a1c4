// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes out of an ambush.  Each thread that faults has a CPU to itself; the
 * one that changes mappings sleeps there for some microseconds, at a real-time
 * priority.  Its timer interrupts the other anywhere in the fault, it changes
 * the mapping before the other can go on, and then lets it go on.  So windows
 * of a few instructions are hit that two CPUs beside each other rarely hit.
 *
 * What is verified is that a change holds once the call has returned: what was
 * forbidden is not written any more, what was unmapped is not there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hazards.h"

#define STRIPE 12
#define GAP 4
#define WRITES 4		/* to a page, one after the other */
#define LONGEST_NAP_NS 150000
#define REST_NS 120000		/* others go on */
#define PRIORITY 10

static void sleep_ns(long ns)
{
	struct timespec time = { .tv_nsec = ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Without the right to it the ambush is a weaker one. */
static void stay_on_cpu(unsigned int index, int policy)
{
	struct sched_param param = {
		.sched_priority = policy == SCHED_FIFO ? PRIORITY : 0,
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(index % (unsigned long)(cpus > 0 ? cpus : 1), &set);
	sched_setaffinity(0, sizeof(set), &set);
	sched_setscheduler(0, policy, &param);
}

/* On the CPU of this operation's victim, until an interrupt. */
static void lie_in_wait(struct worker *worker)
{
	if (worker->ops % 16 == 1)
		stay_on_cpu((unsigned int)(worker->ops / 16), SCHED_FIFO);
	sleep_ns(1 + (long)(random_next(&worker->random) % LONGEST_NAP_NS));
}

static volatile uint64_t *word_at(const struct run *run, size_t page)
{
	return (volatile uint64_t *)page_at(run, run->area, page);
}

static void use_page(struct worker *worker, size_t n, bool to_write)
{
	volatile uint64_t *word = word_at(worker->run, n);
	int i;

	for (i = 0; i < WRITES; i++)
		if (to_write)
			*word = ++worker->turn;
		else
			(void)*word;
}

/*
 * A stripe that was used without a refusal is dropped, so that it is faulted
 * in anew; what can be used although it must not be is used again.
 */
static void use_stripe(struct worker *worker, bool to_write)
{
	struct run *run = worker->run;
	volatile size_t n = worker->first;
	volatile bool refused = false;

	if (sigsetjmp(escape, 0)) {
		worker->refused++;
		refused = true;
		n = n + 1;
	}
	may_escape = 1;
	for (; n < worker->first + STRIPE; n = n + 1)
		use_page(worker, n, to_write);
	may_escape = 0;
	if (!refused)
		drop_stripe(worker, run->area);
}

static void write_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (going(worker))
		use_stripe(worker, true);
}

/* Reads fault in half the time: the lookup is a greater part of it. */
static void read_and_write_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (going(worker))
		use_stripe(worker, worker->ops % 3 == 0);
}

/* The whole area, one of its ends, or a part in its middle. */
static struct range some_part(struct worker *worker)
{
	struct run *run = worker->run;
	size_t pages = area_pages(run);
	struct range range = { .first = 0, .pages = pages };
	uint64_t which = random_next(&worker->random) % 8;

	if (which == 1 || which == 3)
		range.first = 1 + random_next(&worker->random) % (pages / 2);
	range.pages -= range.first;
	if (which == 2 || which == 3)
		range.pages -= random_next(&worker->random) % (pages / 2);
	range.start = page_at(run, run->area, range.first);
	range.size = range.pages * run->page_size;
	return range;
}

/* Where nothing else is mapped, with a VMA behind it that forbids writing. */
static void map_lonely(struct run *run, bool forbidding)
{
	size_t size = area_size(run);
	void *got = mmap((void *)LONELY_PLACE, size + run->page_size, PROT_READ,
			 MAP_PRIVATE_ANON, -1, 0);

	if (got == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	run->area = got;
	allow_holes(run->area, size, forbidding);
	if (mprotect(run->area, size, PROT_RW))
		fail(run, "mprotect: %m");
}

static void map_to_forbid(struct run *run)
{
	map_lonely(run, true);
}

static void map_to_unmap(struct run *run)
{
	map_lonely(run, false);
}

static void unmap_lonely(struct run *run)
{
	catch_segv();
	unmap_pages(run, run->area, area_size(run) + run->page_size);
	run->area = NULL;
}

/* Pages may be dropped all the time, but nothing new may be written. */
static bool is_forbidden(struct run *run, const struct range *range)
{
	static uint64_t before[MAX_THREADS * STRIPE];
	static unsigned char there[MAX_THREADS * STRIPE];
	size_t i;

	if (mincore(range->start, range->size, there)) {
		fail(run, "mincore: %m");
		return false;
	}
	for (i = 0; i < range->pages; i++)
		before[i] = there[i] & 1 ? *word_at(run, range->first + i) : 0;
	sleep_ns(REST_NS);
	for (i = 0; i < range->pages; i++) {
		uint64_t now;

		if (!(there[i] & 1))
			continue;
		now = *word_at(run, range->first + i);
		if (!now || now == before[i])
			continue;
		fail(run, "page %zu was written after mprotect had forbidden it",
		     range->first + i);
		return false;
	}
	return true;
}

static void forbid_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = some_part(worker);
		uint64_t begin;

		lie_in_wait(worker);
		begin = now_ns();
		if (mprotect(range.start, range.size, PROT_READ)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		sleep_ns(REST_NS);
		if (!is_forbidden(run, &range))
			return;
		if (mprotect(range.start, range.size, PROT_RW)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
	}
}

const struct workload ambush_protect = {
	.name = "ambush.protect",
	.summary = "writing is forbidden in the middle of a fault",
	.ops = 400,
	.window = STRIPE,
	.setup = map_to_forbid,
	.roles = {
		{ "write", write_on, 0, 0 },
		{ "mprotect", forbid_from_ambush, 1, 1 },
	},
	.teardown = unmap_lonely,
};

/* access() reads its path: EFAULT where there is nothing to read. */
static bool is_gone(struct run *run, const struct range *range)
{
	size_t i;

	for (i = 0; i < range->pages; i++) {
		const char *page = (const char *)page_at(run, range->start, i);

		if (access(page, F_OK) && errno == EFAULT)
			continue;
		fail(run, "page %zu is there after munmap", range->first + i);
		return false;
	}
	return true;
}

static void unmap_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = some_part(worker);
		uint64_t begin;

		lie_in_wait(worker);
		begin = now_ns();
		if (munmap(range.start, range.size)) {
			fail(run, "munmap of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		sleep_ns(REST_NS);
		if (!is_gone(run, &range) ||
		    !map_over(run, &range, PROT_RW, MAP_FIXED_NOREPLACE))
			return;
	}
}

const struct workload ambush_unmap = {
	.name = "ambush.unmap",
	.summary = "memory is unmapped in the middle of a fault",
	.ops = 600,
	.window = STRIPE,
	.setup = map_to_unmap,
	.roles = {
		{ "fault", read_and_write_on, 0, 0 },
		{ "munmap", unmap_from_ambush, 1, 1 },
	},
	.teardown = unmap_lonely,
};

/*
 * Beside the stripes: VMAs begin and end elsewhere, split and merge, but no
 * page of a stripe changes, and no access to one may be refused.
 */
static bool change_gap(struct worker *worker, const struct range *gap)
{
	struct run *run = worker->run;

	if (random_next(&worker->random) & 1) {
		if (!mprotect(gap->start, gap->size, PROT_NONE)) {
			sleep_ns(REST_NS / 4);
			if (!mprotect(gap->start, gap->size, PROT_RW))
				return true;
		}
		fail(run, "mprotect of page %zu: %m", gap->first);
		return false;
	}
	if (munmap(gap->start, gap->size)) {
		fail(run, "munmap of page %zu: %m", gap->first);
		return false;
	}
	sleep_ns(REST_NS / 4);
	return map_over(run, gap, PROT_RW, MAP_FIXED_NOREPLACE);
}

static void change_gaps_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		size_t nr = random_next(&worker->random) % run->opt.threads;
		struct range gap;

		gap.first = nr * stride(run) + STRIPE;
		gap.pages = GAP;
		gap.start = page_at(run, run->area, gap.first);
		gap.size = gap.pages * run->page_size;
		lie_in_wait(worker);
		if (!change_gap(worker, &gap))
			return;
	}
}

static void fault_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	fault_strictly(worker);
}

const struct workload ambush_near = {
	.name = "ambush.near",
	.summary = "what lies beside is changed in the middle of a fault",
	.ops = 300,
	.window = STRIPE,
	.stride = STRIPE + GAP,
	.setup = map_area,
	.roles = {
		{ "fault", fault_on, 0, 0 },
		{ "change", change_gaps_from_ambush, 1, 1 },
	},
	.teardown = unmap_area,
};
