// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that fault while another one changes the mappings under them.
 *
 * Each faulting thread touches its stripe, verifies it, drops it with
 * MADV_DONTNEED and starts again; the writer changes a random part of the area
 * and takes the time of its system call.  A repetition is over when every one
 * of them has done its --ops; who is ready goes on until then, so that nobody
 * is measured alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "faults.h"

/* The most pages that one operation changes. */
#define RANGE_PAGES 16

struct range {
	size_t first;		/* page number */
	size_t pages;
	unsigned char *start;
	size_t size;
};

static void map_area(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_RW, MAP_PRIVATE_ANON, -1);
}

static void unmap_area(struct run *run)
{
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

static void expect_holes(struct run *run)
{
	map_area(run);
	allow_holes(run->area, area_size(run), false);
}

static void expect_no_holes(struct run *run)
{
	catch_segv();
	unmap_area(run);
}

/* After a refusal it goes on with the next page; returns pages touched. */
static size_t touch_stripe(struct worker *worker)
{
	struct run *run = worker->run;
	volatile size_t n = worker->first;
	volatile size_t touched = 0;

	if (sigsetjmp(escape, 0)) {
		worker->refused++;
		n = n + 1;
	}
	may_escape = 1;
	for (; n < worker->first + run->count; n = n + 1) {
		touch_page(run, page_at(run, run->area, n), n);
		touched = touched + 1;
	}
	may_escape = 0;
	return touched;
}

static void verify_stripe(struct worker *worker, bool may_vanish)
{
	struct run *run = worker->run;
	volatile size_t n = worker->first;
	uint64_t found;

	if (sigsetjmp(escape, 0))
		n = n + 1;
	may_escape = 1;
	for (; n < worker->first + run->count; n = n + 1) {
		const unsigned char *page = page_at(run, run->area, n);

		if (may_vanish ? !check_touched_or_zero(run, page, n, &found) :
				 !check_touched(run, page, n))
			break;
	}
	may_escape = 0;
}

static void fault_until_all_done(struct worker *worker, bool may_vanish)
{
	struct run *run = worker->run;
	unsigned char *stripe = page_at(run, run->area, worker->first);
	bool done = false;

	while (unfinished(run, worker->faults >= run->opt.ops, &done)) {
		span_begin(worker);
		span_end(worker, touch_stripe(worker));
		verify_stripe(worker, may_vanish);
		/* ENOMEM: there was a hole; what is mapped was dropped. */
		if (madvise(stripe, run->count * run->page_size,
			    MADV_DONTNEED) && errno != ENOMEM)
			fail(run, "madvise(MADV_DONTNEED): %m");
	}
}

/* Where the contents stay whatever the writer does. */
static void fault_strictly(struct worker *worker)
{
	fault_until_all_done(worker, false);
}

/* Where the writer may empty a page at any moment. */
static void fault_leniently(struct worker *worker)
{
	fault_until_all_done(worker, true);
}

static struct range random_range(struct worker *worker)
{
	const struct run *run = worker->run;
	size_t total = area_size(run) / run->page_size;
	struct range range;

	range.pages = 1 + random_next(&worker->random) % RANGE_PAGES;
	range.first = random_next(&worker->random) % (total - range.pages + 1);
	range.start = page_at(run, run->area, range.first);
	range.size = range.pages * run->page_size;
	return range;
}

static void write_until_all_done(struct worker *worker,
				 uint64_t (*change)(struct worker *))
{
	struct run *run = worker->run;
	struct samples *samples = &run->samples;
	unsigned long ops = 0;
	bool done = false;

	while (unfinished(run, ops >= run->opt.ops, &done)) {
		uint64_t ns = change(worker);

		/* The first --ops of each measured repetition. */
		if (run->measured && ops < run->opt.ops &&
		    samples->nr < samples->max) {
			samples->ns[samples->nr++] = ns;
			worker->ns += ns;
			worker->ops++;
		}
		ops++;
		linger(&worker->random);
	}
}

/* mmap: new memory in place of old, in one step. */
static uint64_t replace(struct worker *worker)
{
	struct range range = random_range(worker);
	uint64_t begin = now_ns();
	void *got = mmap(range.start, range.size, PROT_RW, MAP_PRIVATE_ANON | MAP_FIXED,
			 -1, 0);
	uint64_t ns = now_ns() - begin;

	if (got != range.start)
		fail(worker->run, "mmap over page %zu: %m", range.first);
	return ns;
}

static void write_mmap(struct worker *worker)
{
	write_until_all_done(worker, replace);
}

const struct workload race_mmap = {
	.name = "race.mmap",
	.summary = "faults while another thread maps new memory in their place",
	.ops = 100,
	.window = 64,
	.setup = map_area,
	.touch = fault_leniently,
	.teardown = unmap_area,
	.write = write_mmap,
};

/* munmap: a hole, which is filled again. */
static uint64_t unmap(struct worker *worker)
{
	struct range range = random_range(worker);
	uint64_t begin = now_ns();
	int error = munmap(range.start, range.size);
	uint64_t ns = now_ns() - begin;

	if (error)
		fail(worker->run, "munmap of page %zu: %m", range.first);
	else if (mmap(range.start, range.size, PROT_RW,
		      MAP_PRIVATE_ANON | MAP_FIXED_NOREPLACE, -1, 0) != range.start)
		fail(worker->run, "mmap into the hole at page %zu: %m",
		     range.first);
	return ns;
}

static void write_munmap(struct worker *worker)
{
	write_until_all_done(worker, unmap);
}

const struct workload race_munmap = {
	.name = "race.munmap",
	.summary = "faults while another thread unmaps memory and maps it again",
	.ops = 100,
	.window = 64,
	.setup = expect_holes,
	.touch = fault_leniently,
	.teardown = expect_no_holes,
	.write = write_munmap,
};

/*
 * mprotect: the right to execute comes and goes, which splits and merges VMAs
 * and never forbids what the other threads do: they verify strictly.
 */
static uint64_t protect(struct worker *worker)
{
	struct range range = random_range(worker);
	int prot = PROT_RW;
	uint64_t begin, ns;
	int error;

	if (random_next(&worker->random) & 1)
		prot |= PROT_EXEC;
	begin = now_ns();
	error = mprotect(range.start, range.size, prot);
	ns = now_ns() - begin;
	if (error)
		fail(worker->run, "mprotect of page %zu: %m", range.first);
	return ns;
}

static void write_mprotect(struct worker *worker)
{
	write_until_all_done(worker, protect);
}

const struct workload race_mprotect = {
	.name = "race.mprotect",
	.summary = "faults while another thread changes the protection",
	.ops = 100,
	.window = 64,
	.setup = map_area,
	.touch = fault_strictly,
	.teardown = unmap_area,
	.write = write_mprotect,
};

/*
 * mremap: pages are moved away to `mirror`, and the memory stays mapped, empty
 * (MREMAP_DONTUNMAP).  Nobody else writes to the moved pages: they must hold
 * what was touched at their old place, and must not change any more.
 */
static void map_area_and_target(struct run *run)
{
	map_area(run);
	run->mirror = map_pages(run, RANGE_PAGES * run->page_size, PROT_NONE,
				MAP_PRIVATE_ANON, -1);
}

static void unmap_area_and_target(struct run *run)
{
	unmap_area(run);
	unmap_pages(run, run->mirror, RANGE_PAGES * run->page_size);
	run->mirror = NULL;
}

static void verify_moved(struct run *run, const struct range *range)
{
	uint64_t found[RANGE_PAGES], again;
	size_t i;

	for (i = 0; i < range->pages; i++)
		if (!check_touched_or_zero(run, page_at(run, run->mirror, i),
					   range->first + i, &found[i]))
			return;
	for (i = 0; i < range->pages; i++) {
		if (!check_touched_or_zero(run, page_at(run, run->mirror, i),
					   range->first + i, &again))
			return;
		if (again != found[i])
			fail(run, "moved page %zu changed afterwards",
			     range->first + i);
	}
}

static uint64_t move(struct worker *worker)
{
	struct run *run = worker->run;
	struct range range = random_range(worker);
	uint64_t begin = now_ns();
	void *got = mremap(range.start, range.size, range.size,
			   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			   run->mirror);
	uint64_t ns = now_ns() - begin;

	if (got != run->mirror) {
		fail(run, "mremap of page %zu: %m", range.first);
		return ns;
	}
	verify_moved(run, &range);
	if (mmap(run->mirror, range.size, PROT_NONE, MAP_PRIVATE_ANON | MAP_FIXED, -1,
		 0) != run->mirror)
		fail(run, "mmap over moved pages: %m");
	return ns;
}

static void write_mremap(struct worker *worker)
{
	write_until_all_done(worker, move);
}

const struct workload race_mremap = {
	.name = "race.mremap",
	.summary = "faults while another thread moves the pages away",
	.ops = 50,
	.window = 64,
	.setup = map_area_and_target,
	.touch = fault_leniently,
	.teardown = unmap_area_and_target,
	.write = write_mremap,
};
