// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Growth of a stack: each fault is one page below a MAP_GROWSDOWN mapping and
 * makes it longer.  No architecture compares the address with the stack
 * pointer, so the threads can fault below mappings that they do not run on,
 * and every round can start with a short one.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/resource.h>

#include "faults.h"

/*
 * Free pages below a full-grown stack: more than the kernel's default
 * stack_guard_gap of 256, so that the neighbour below never stops it.
 */
#define GUARD_PAGES 320

static size_t slot_pages(const struct run *run)
{
	return GUARD_PAGES + run->workload->window + 1;
}

/* The page that is mapped from the start, on top of the stripe. */
static unsigned char *top_page(const struct worker *worker)
{
	const struct run *run = worker->run;
	size_t end = (worker->index + 1) * slot_pages(run);

	return run->area + (end - 1) * run->page_size;
}

/* The i-th page to be touched, downwards. */
static unsigned char *grown_page(const struct worker *worker, size_t i)
{
	return top_page(worker) - (i + 1) * worker->run->page_size;
}

static size_t slots_size(const struct run *run)
{
	return run->opt.threads * slot_pages(run) * run->page_size;
}

static void allow_growth(struct run *run)
{
	rlim_t needed = (run->workload->window + 1) * run->page_size;
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit)) {
		fail(run, "getrlimit: %m");
		return;
	}
	if (limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed;
	if (setrlimit(RLIMIT_STACK, &limit))
		skip(run, "stacks may not grow to %llu bytes: %m",
		     (unsigned long long)needed);
}

/* The place of all stacks is kept between rounds, for nothing else to use. */
static void reserve(struct run *run)
{
	run->area = map_pages(run, slots_size(run), PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static void prepare(struct run *run)
{
	allow_growth(run);
	if (!run->failed && !run->skipped)
		reserve(run);
}

static void map_tops(struct run *run)
{
	unsigned int i;

	unmap_pages(run, run->area, slots_size(run));
	for (i = 0; i < run->opt.threads; i++) {
		unsigned char *top = top_page(&run->workers[i]);

		if (mmap(top, run->page_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN |
			 MAP_STACK | MAP_FIXED_NOREPLACE, -1, 0) != top) {
			fail(run, "mmap of a stack at %p: %m", (void *)top);
			return;
		}
	}
}

static void grow_stack(struct worker *worker)
{
	struct run *run = worker->run;
	size_t i;

	span_begin(worker);
	for (i = 0; i < run->count; i++)
		touch_page(run, grown_page(worker, i), worker->first + i);
	span_end(worker, run->count);
}

static void verify_stack(struct worker *worker)
{
	struct run *run = worker->run;
	size_t i;

	if (!is_zero(run, top_page(worker))) {
		fail(run, "the top page of stack %u is not empty",
		     worker->index);
		return;
	}
	for (i = 0; i < run->count; i++)
		if (!check_touched(run, grown_page(worker, i),
				   worker->first + i))
			return;
}

static void reserve_again(struct run *run)
{
	if (mmap(run->area, slots_size(run), PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) != run->area)
		fail(run, "mmap over the stacks: %m");
}

static void release(struct run *run)
{
	unmap_pages(run, run->area, slots_size(run));
	run->area = NULL;
}

const struct workload stack = {
	.name = "stack",
	.summary = "growth of a stack, page by page",
	.ops = 2048,
	.window = 1024,
	.setup = prepare,
	.open = map_tops,
	.touch = grow_stack,
	.verify = verify_stack,
	.close = reserve_again,
	.teardown = release,
};
