// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads on stacks that grow (MAP_GROWSDOWN): each runs down its own, writes
 * every frame and verifies it on the way back, while another thread maps and
 * unmaps beside the tops.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "hazards.h"

/* More than the kernel's default stack_guard_gap of 256 pages. */
#define GUARD_PAGES 320
#define TOP_PAGES 8		/* mapped from the start: TLS and first frames */
#define NEIGHBOUR_PAGES 8
#define SPARE_PAGES 12		/* for what is not frames of descend() */
#define FRAME_WORDS 192

static size_t slot_pages(const struct run *run)
{
	return GUARD_PAGES + run->workload->window + NEIGHBOUR_PAGES;
}

static unsigned char *slot(const struct run *run, size_t index)
{
	return page_at(run, run->area, index * slot_pages(run));
}

static unsigned char *stack_low(const struct run *run, size_t index)
{
	return page_at(run, slot(run, index), GUARD_PAGES);
}

static unsigned char *stack_end(const struct run *run, size_t index)
{
	return page_at(run, stack_low(run, index), run->workload->window);
}

static size_t slots_size(const struct run *run)
{
	return run->opt.threads * slot_pages(run) * run->page_size;
}

/* Far from where mmap() puts things: nothing gets into the holes. */
static void find_place(struct run *run)
{
	void *got = mmap((void *)LONELY_PLACE, slots_size(run), PROT_NONE,
			 MAP_PRIVATE_ANON | MAP_NORESERVE, -1, 0);

	if (got == MAP_FAILED) {
		fail(run, "mmap of %zu bytes: %m", slots_size(run));
		return;
	}
	run->area = got;
	unmap_pages(run, run->area, slots_size(run));
}

static void leave_place(struct run *run)
{
	unmap_pages(run, run->area, slots_size(run));
	run->area = NULL;
}

static uint64_t word_of(const struct worker *worker, size_t depth, size_t i)
{
	return mix(worker->run->opt.seed + (worker->ops << 32) +
		   (depth << 12) + i) ^ worker->index;
}

/* False when a frame is not what was written to it. */
static __attribute__((noinline)) bool descend(const struct worker *worker,
					      size_t depth)
{
	volatile uint64_t frame[FRAME_WORDS];
	bool good = true;
	size_t i;

	for (i = 0; i < FRAME_WORDS; i++)
		frame[i] = word_of(worker, depth, i);
	if (depth)
		good = descend(worker, depth - 1);
	for (i = 0; i < FRAME_WORDS; i++)
		good &= frame[i] == word_of(worker, depth, i);
	return good;
}

static void *run_down(void *argument)
{
	struct worker *worker = argument;
	const struct run *run = worker->run;
	size_t room = (run->workload->window - SPARE_PAGES) * run->page_size;

	return descend(worker, room / (FRAME_WORDS * sizeof(uint64_t) + 256)) ?
	       worker : NULL;
}

static bool map_top(struct run *run, size_t index)
{
	size_t size = TOP_PAGES * run->page_size;
	unsigned char *top = stack_end(run, index) - size;

	if (mmap(top, size, PROT_RW, MAP_PRIVATE_ANON | MAP_GROWSDOWN |
		 MAP_STACK | MAP_FIXED_NOREPLACE, -1, 0) == top)
		return true;
	fail(run, "mmap of stack %zu: %m", index);
	return false;
}

static bool use_stack(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = run->workload->window * run->page_size;
	pthread_attr_t attr;
	pthread_t thread;
	void *good = NULL;

	pthread_attr_init(&attr);
	if (pthread_attr_setstack(&attr, stack_low(run, worker->index), size) ||
	    pthread_create(&thread, &attr, run_down, worker))
		fail(run, "cannot start a thread on stack %u", worker->index);
	else
		pthread_join(thread, &good);
	pthread_attr_destroy(&attr);
	if (!run->failed && !good)
		fail(run, "a frame on stack %u is not what was written",
		     worker->index);
	return good;
}

static void grow_stacks(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = run->workload->window * run->page_size;

	while (going(worker)) {
		if (!map_top(run, worker->index) || !use_stack(worker))
			return;
		if (munmap(stack_low(run, worker->index), size))
			fail(run, "munmap of stack %u: %m", worker->index);
	}
}

/* Right above the tops, where each stack's neighbour begins. */
static void map_neighbours(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		size_t index = random_next(&worker->random) % run->opt.threads;
		unsigned char *at = stack_end(run, index);
		size_t size = NEIGHBOUR_PAGES * run->page_size;

		if (mmap(at, size, PROT_RW, MAP_PRIVATE_ANON |
			 MAP_FIXED_NOREPLACE, -1, 0) != at) {
			fail(run, "mmap beside stack %zu: %m", index);
			return;
		}
		touch_page(run, at, index);
		if (!check_touched(run, at, index))
			return;
		unmap_pages(run, at, size);
		linger(&worker->random);
	}
}

const struct workload stack = {
	.name = "stack",
	.summary = "threads that run down stacks which grow",
	.ops = 16,
	.window = 96,
	.setup = find_place,
	.roles = {
		{ "descend", grow_stacks, 0, 1 },
		{ "mmap", map_neighbours, 1, 1 },
	},
	.teardown = leave_place,
};
