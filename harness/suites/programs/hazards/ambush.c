// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory is forbidden, or unmapped, out of an ambush.  What is verified is that
 * it holds once the call has returned: what was forbidden is not written any
 * more, what was unmapped is not there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ambush.h"

#define WRITES 4		/* to a page, one after the other */
#define REFUSALS 2		/* after which the rest of a stripe is left */
#define WAIT_NS 50000
#define EVERYTHING 8		/* every so many times all pages are verified */

static void use_page(struct worker *worker, size_t n, bool to_write)
{
	volatile uint64_t *word = word_at(worker->run, n);
	int i;

	enter_page(worker, n);
	for (i = 0; i < WRITES; i++)
		if (to_write)
			*word = ++worker->turn;
		else
			(void)*word;
	leave_page(worker, false);
}

/* After refusals: until nothing is refused any more. */
static void wait_until_open(const struct run *run, unsigned long opened)
{
	while (victims.opened == opened && !run->failed && run->unfinished > 0)
		sleep_ns(WAIT_NS);
}

/* Each stripe is dropped afterwards, so that it is faulted in anew. */
static void use_stripe(struct worker *worker, bool to_write)
{
	struct run *run = worker->run;
	volatile unsigned long opened = victims.opened;
	volatile unsigned int refused = 0;
	volatile size_t n = worker->first +
			    random_next(&worker->random) % AMBUSH_STRIPE;

	if (sigsetjmp(escape, 0)) {
		leave_page(worker, true);
		worker->refused++;
		refused = refused + 1;
		n = n + 1;
	}
	may_escape = 1;
	for (; n < worker->first + AMBUSH_STRIPE && refused < REFUSALS; n = n + 1)
		use_page(worker, n, to_write);
	may_escape = 0;
	if (refused)
		wait_until_open(run, opened);
	drop_stripe(worker, run->area);
}

/* Reads fault in half the time: the lookup is a greater part of it. */
static void read_and_write_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker))
		use_stripe(worker, worker->ops % 3 == 0);
}

static void write_and_read_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker))
		use_stripe(worker, worker->ops % 4 != 0);
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
	set_trap(run);
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
	take_trap_away();
	catch_segv();
	unmap_pages(run, run->area, area_size(run) + run->page_size);
	run->area = NULL;
}

/* What the pages of a range contain: 0 for one that is not there. */
static bool look(struct run *run, const struct range *range, uint64_t *words)
{
	static unsigned char there[MAX_THREADS * AMBUSH_STRIPE];
	size_t i;

	if (mincore(range->start, range->size, there)) {
		fail(run, "mincore: %m");
		return false;
	}
	for (i = 0; i < range->pages; i++)
		words[i] = there[i] & 1 ? *word_at(run, range->first + i) : 0;
	return true;
}

/* Pages may be dropped all the time, but nothing new may be written. */
static bool is_unwritten(struct worker *worker, const struct range *range)
{
	static uint64_t before[MAX_THREADS * AMBUSH_STRIPE];
	static uint64_t after[MAX_THREADS * AMBUSH_STRIPE];
	struct run *run = worker->run;
	size_t i;

	if (!look(run, range, before))
		return false;
	let_go_on(worker);
	if (!look(run, range, after))
		return false;
	for (i = 0; i < range->pages; i++) {
		if (!after[i] || after[i] == before[i])
			continue;
		fail(run, "page %zu was written after mprotect had forbidden it",
		     range->first + i);
		return false;
	}
	return true;
}

/* access() reads its path: EFAULT where there is nothing to read. */
static bool page_is_there(const struct run *run, size_t page)
{
	return !(access((const char *)word_at(run, page), F_OK) &&
		 errno == EFAULT);
}

/*
 * Each victim can have got no more than the page that it was interrupted at,
 * as long as it is locked as it should be.
 */
static bool is_gone(struct worker *worker, const struct range *range,
		    const char *after)
{
	struct run *run = worker->run;
	size_t at[MAX_THREADS], i, nr = run->opt.threads;
	bool all = worker->ops % EVERYTHING == 0;

	for (i = 0; i < nr; i++)
		at[i] = victims.at[i];
	let_go_on(worker);
	for (i = 0; i < (all ? range->pages : nr); i++) {
		size_t page = all ? range->first + i : at[i];

		if (page < range->first ||
		    page >= range->first + range->pages ||
		    !page_is_there(run, page))
			continue;
		fail(run, "page %zu is there after %s", page, after);
		return false;
	}
	return true;
}

static void forbid_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = some_part(worker);
		bool all = random_next(&worker->random) % 4 == 0;
		uint64_t begin;

		lie_in_wait(worker);
		begin = now_ns();
		if (mprotect(range.start, range.size,
			     all ? PROT_NONE : PROT_READ)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		if (!(all ? is_gone(worker, &range, "mprotect(PROT_NONE)") :
			    is_unwritten(worker, &range)))
			return;
		if (mprotect(range.start, range.size, PROT_RW)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
		victims.opened++;
	}
}

const struct workload ambush_protect = {
	.name = "ambush.protect",
	.summary = "memory is forbidden in the middle of a fault",
	.ops = 600,
	.window = AMBUSH_STRIPE,
	.setup = map_to_forbid,
	.roles = {
		{ "use", write_and_read_on, 0, 0 },
		{ "mprotect", forbid_from_ambush, 1, 1 },
	},
	.teardown = unmap_lonely,
};

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
		if (!is_gone(worker, &range, "munmap") ||
		    !map_over(run, &range, PROT_RW, MAP_FIXED_NOREPLACE))
			return;
		victims.opened++;
	}
}

const struct workload ambush_unmap = {
	.name = "ambush.unmap",
	.summary = "memory is unmapped in the middle of a fault",
	.ops = 600,
	.window = AMBUSH_STRIPE,
	.setup = map_to_unmap,
	.roles = {
		{ "fault", read_and_write_on, 0, 0 },
		{ "munmap", unmap_from_ambush, 1, 1 },
	},
	.teardown = unmap_lonely,
};
