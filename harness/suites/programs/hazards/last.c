// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No write is lost while its page is moved (mremap).  Every thread knows what
 * it wrote last.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hazards.h"

#define MOVED_PAGES 24		/* of each thread */

static struct {
	uint64_t *last;			/* written to each page, by its owner */
	atomic_uint turn;		/* of the mover: odd while it moves */
	atomic_uint ready;		/* writers that have been through all */
	atomic_uint stopped;		/* writers that were refused */
} state;

static volatile uint64_t *word_of(const struct run *run, size_t page,
				  size_t word)
{
	return (volatile uint64_t *)page_at(run, run->area, page) + word;
}

static void map_two_places(struct run *run)
{
	size_t size = area_size(run);
	void *got = mmap((void *)LONELY_PLACE, size, PROT_RW, MAP_PRIVATE_ANON,
			 -1, 0);

	state.last = calloc(area_pages(run), sizeof(*state.last));
	state.turn = 0;
	state.ready = 0;
	state.stopped = 0;
	if (!state.last)
		die("out of memory");
	if (got == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	run->area = got;
	run->mirror = run->area + 2 * size;	/* where it goes next */
	allow_holes(run->area, 3 * size, false);
}

static void unmap_two_places(struct run *run)
{
	catch_segv();
	unmap_pages(run, run->area, area_size(run));
	free(state.last);
	run->area = run->mirror = NULL;
}

/* Until the first refusal: everything has moved away. */
static void write_until_refused(struct worker *worker)
{
	struct run *run = worker->run;
	size_t end = worker->first + MOVED_PAGES;
	volatile size_t n = worker->first;
	volatile bool again = false;

	if (sigsetjmp(escape, 0)) {
		may_escape = 0;
		worker->refused++;
		return;
	}
	may_escape = 1;
	while (!run->failed && run->unfinished > 0) {
		*word_of(run, n, worker->index) = ++worker->turn;
		state.last[n] = worker->turn;
		n = n + 1;
		if (n < end)
			continue;
		n = worker->first;
		if (!again)
			state.ready++;
		again = true;
	}
	may_escape = 0;
}

static void write_where_it_is(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		unsigned int turn = state.turn;

		write_until_refused(worker);
		state.stopped++;
		while (state.turn == turn && !run->failed &&
		       run->unfinished > 0)
			sched_yield();
	}
}

static bool all_are_there(struct run *run)
{
	size_t n;

	for (n = 0; n < area_pages(run); n++) {
		uint64_t found = *word_of(run, n, n / MOVED_PAGES);

		if (found == state.last[n])
			continue;
		fail(run, "a write to page %zu was lost while it moved: "
		     "%llu instead of %llu", n, (unsigned long long)found,
		     (unsigned long long)state.last[n]);
		return false;
	}
	return true;
}

static bool wait_for_all(struct run *run, atomic_uint *count)
{
	while (*count < run->opt.threads && !run->failed)
		sched_yield();
	return !run->failed;
}

static void move_while_written(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = area_size(run);

	while (going(worker)) {
		unsigned char *from = run->area;
		uint64_t begin;

		if (!wait_for_all(run, &state.ready))
			return;
		linger(&worker->random);
		begin = now_ns();
		if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			   run->mirror) != run->mirror) {
			fail(run, "mremap: %m");
			return;
		}
		sample(run, now_ns() - begin);
		if (!wait_for_all(run, &state.stopped))
			return;
		run->area = run->mirror;
		run->mirror = from;
		if (!all_are_there(run))
			return;
		state.ready = 0;
		state.stopped = 0;
		state.turn++;
	}
}

const struct workload move_last = {
	.name = "move.last",
	.summary = "what was written last before a VMA moved is there",
	.ops = 30,
	.window = MOVED_PAGES,
	.setup = map_two_places,
	.roles = {
		{ "write", write_where_it_is, 0, 0 },
		{ "mremap", move_while_written, 1, 1 },
	},
	.teardown = unmap_two_places,
};
