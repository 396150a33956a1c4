// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that fault.  An operation writes every page of the thread's stripe,
 * verifies all of it and drops it again, so that the next one faults anew.
 * What an operation writes differs from what the one before wrote.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "hazards.h"

/* The most pages that one change is about. */
#define RANGE_PAGES 16

void map_area(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_RW, MAP_PRIVATE_ANON,
			      -1);
}

void map_area_with_holes(struct run *run)
{
	map_area(run);
	allow_holes(run->area, area_size(run), false);
}

/* Accesses may also be refused because the protection forbids them. */
void map_area_forbidding(struct run *run)
{
	map_area(run);
	allow_holes(run->area, area_size(run), true);
}

void unmap_area(struct run *run)
{
	catch_segv();
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

/* The number that a page's contents are made of in this turn. */
static size_t name_of(const struct worker *worker, size_t page)
{
	return page + (worker->turn << 20);
}

/* After a refusal the walks below go on with the next page. */
static void touch_stripe(struct worker *worker, unsigned char *base)
{
	struct run *run = worker->run;
	volatile size_t n = worker->first;

	if (sigsetjmp(escape, 0)) {
		worker->refused++;
		n = n + 1;
	}
	may_escape = 1;
	for (; n < worker->first + run->workload->window; n = n + 1)
		touch_page(run, page_at(run, base, n), name_of(worker, n));
	may_escape = 0;
}

static bool verify_stripe(struct worker *worker, unsigned char *base,
			  bool may_vanish)
{
	struct run *run = worker->run;
	volatile size_t n = worker->first;
	volatile bool good = true;
	uint64_t found;

	if (sigsetjmp(escape, 0))
		n = n + 1;
	may_escape = 1;
	for (; n < worker->first + run->workload->window && good; n = n + 1) {
		const unsigned char *page = page_at(run, base, n);
		size_t name = name_of(worker, n);

		good = may_vanish ?
		       check_touched_or_zero(run, page, name, &found) :
		       check_touched(run, page, name);
	}
	may_escape = 0;
	return good;
}

void drop_stripe(struct worker *worker, unsigned char *base)
{
	struct run *run = worker->run;

	/* ENOMEM: there was a hole; what is mapped was dropped. */
	if (madvise(page_at(run, base, worker->first),
		    run->workload->window * run->page_size, MADV_DONTNEED) &&
	    errno != ENOMEM)
		fail(run, "madvise(MADV_DONTNEED): %m");
}

bool fault_once(struct worker *worker, unsigned char *base, bool may_vanish)
{
	touch_stripe(worker, base);
	return verify_stripe(worker, base, may_vanish);
}

static void fault(struct worker *worker, bool may_vanish)
{
	struct run *run = worker->run;

	while (going(worker)) {
		worker->turn = worker->ops;
		if (!fault_once(worker, run->area, may_vanish))
			return;
		drop_stripe(worker, run->area);
	}
}

/* Where the contents stay whatever others do. */
void fault_strictly(struct worker *worker)
{
	fault(worker, false);
}

/* Where others may empty or refuse a page at any moment. */
void fault_leniently(struct worker *worker)
{
	fault(worker, true);
}

/* Some pages of those from `first`. */
struct range random_range(struct worker *worker, size_t first, size_t pages)
{
	const struct run *run = worker->run;
	size_t most = pages < RANGE_PAGES ? pages : RANGE_PAGES;
	struct range range;

	range.pages = 1 + random_next(&worker->random) % most;
	range.first = first +
		      random_next(&worker->random) % (pages - range.pages + 1);
	range.start = page_at(run, run->area, range.first);
	range.size = range.pages * run->page_size;
	return range;
}

/* VMAs split and merge: some pages become executable, or are so no more. */
void protect_at_random(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		int prot = PROT_RW;

		if (random_next(&worker->random) & 1)
			prot |= PROT_EXEC;
		if (mprotect(range.start, range.size, prot)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
	}
}

/* Maps new memory at a range; false after fail(). */
bool map_over(struct run *run, const struct range *range, int prot, int flags)
{
	if (mmap(range->start, range->size, prot, MAP_PRIVATE_ANON | flags, -1,
		 0) == range->start)
		return true;
	fail(run, "mmap at page %zu: %m", range->first);
	return false;
}
