// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guard pages (MADV_GUARD_INSTALL, since 6.13): page table entries that refuse
 * every access, put in under the lock of the VMA that others fault in.  One
 * thread alone puts them there and takes them away, so it knows which page is
 * refused at any moment, whatever the others do.
 *
 * Each thread's stripe is followed by pages that only this thread writes: they
 * are empty when they come back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "hazards.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define STRIPE 24
#define OWN 8

/* Of a CPU that is to hear of a discarded page: a busy host's may stand still. */
#define WAIT_NS 1000000
#define MOST_WAITS 5000

static bool is_own(const struct run *run, size_t page)
{
	return page % stride(run) >= STRIPE;
}

static void map_area_with_guards(struct run *run)
{
	map_area_forbidding(run);
	if (run->failed)
		return;
	if (madvise(run->area, run->page_size, MADV_GUARD_INSTALL)) {
		if (errno == EINVAL)
			skip(run, "this kernel has no MADV_GUARD_INSTALL");
		else
			fail(run, "madvise(MADV_GUARD_INSTALL): %m");
	} else if (madvise(run->area, run->page_size, MADV_GUARD_REMOVE)) {
		fail(run, "madvise(MADV_GUARD_REMOVE): %m");
	}
}

static bool can_read(const unsigned char *page)
{
	if (sigsetjmp(escape, 0)) {
		may_escape = 0;
		return false;
	}
	may_escape = 1;
	(void)*(const volatile unsigned char *)page;
	may_escape = 0;
	return true;
}

static void write_own(struct run *run, const struct range *range)
{
	size_t i;

	for (i = 0; i < range->pages; i++)
		if (is_own(run, range->first + i))
			fill_page(run, page_at(run, range->start, i), i);
}

/*
 * At once where nobody else changes page tables.  In a stripe the other thread
 * may have just discarded the page, and not have told the CPUs so: until then
 * they may go on with what they remember of it.
 */
static bool is_guarded(struct run *run, size_t number)
{
	const unsigned char *page = page_at(run, run->area, number);
	unsigned int patience = is_own(run, number) ? 0 : MOST_WAITS;

	while (can_read(page)) {
		if (!patience--) {
			fail(run, "page %zu can be read although it is guarded",
			     number);
			return false;
		}
		sleep_ns(WAIT_NS);
	}
	return true;
}

static bool all_are_guarded(struct run *run, const struct range *range)
{
	size_t i;

	for (i = 0; i < range->pages; i++)
		if (!is_guarded(run, range->first + i))
			return false;
	return true;
}

static bool all_came_back(struct run *run, const struct range *range)
{
	size_t i;

	for (i = 0; i < range->pages; i++) {
		unsigned char *page = page_at(run, range->start, i);

		if (!can_read(page)) {
			fail(run, "page %zu is refused although it is not guarded",
			     range->first + i);
			return false;
		}
		if (is_own(run, range->first + i) && !is_zero(run, page)) {
			fail(run, "page %zu is not empty after it was guarded",
			     range->first + i);
			return false;
		}
	}
	return true;
}

static void guard_always(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		uint64_t begin;

		write_own(run, &range);
		begin = now_ns();
		if (madvise(range.start, range.size, MADV_GUARD_INSTALL)) {
			fail(run, "madvise(MADV_GUARD_INSTALL) of page %zu: %m",
			     range.first);
			return;
		}
		sample(run, now_ns() - begin);
		linger(&worker->random);
		if (!all_are_guarded(run, &range))
			return;
		if (madvise(range.start, range.size, MADV_GUARD_REMOVE)) {
			fail(run, "madvise(MADV_GUARD_REMOVE) of page %zu: %m",
			     range.first);
			return;
		}
		if (!all_came_back(run, &range))
			return;
		linger(&worker->random);
	}
}

const struct workload guard = {
	.name = "guard",
	.summary = "faults in VMAs in which guard pages come and go",
	.ops = 60,
	.window = STRIPE,
	.stride = STRIPE + OWN,
	.setup = map_area_with_guards,
	.roles = {
		{ "fault", fault_leniently, 0, 2 },
		{ "guard", guard_always, 1, 1 },
		{ "mprotect", protect_at_random, 1, 1 },
	},
	.teardown = unmap_area,
};
