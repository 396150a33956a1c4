// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out of an ambush, the boundary between two VMAs moves up and down, before one
 * who reads /proc/self/maps, or asks for VMAs with PROCMAP_QUERY, goes on.  The
 * upper VMA of each block loses its front to the lower one: a reader that found
 * it and has not locked it yet has one that begins behind the place that it
 * wanted.  A block is mapped all the time, so what is read has to cover it.
 *
 * Blocks lie below everything else in the address space: a short read is about
 * little else.  Where a VMA becomes shorter at its end, what is behind it
 * begins there: who goes on from the end that was shown misses nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ambush.h"
#include "query.h"

#define LOW_PLACE 0x100000ul	/* a program is linked to start behind it */
#define BLOCKS 4
#define BLOCK 6			/* pages of each; one more is not mapped */
#define LOWER 2			/* pages of its lower VMA, when it is short */
#define FRONT 2			/* pages that change hands */
#define LINES_SIZE 512		/* three lines of 41 characters for each block */
#define LOWER_PROT PROT_READ
#define UPPER_PROT PROT_NONE

static unsigned char *in_block(const struct run *run, size_t n, size_t page)
{
	return page_at(run, run->area, n * (BLOCK + 1) + page);
}

static bool map_block(struct run *run, size_t n)
{
	unsigned char *at = in_block(run, n, 0);
	void *got = mmap(at, BLOCK * run->page_size, LOWER_PROT,
			 MAP_PRIVATE_ANON | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == at && !mprotect(in_block(run, n, LOWER),
				   (BLOCK - LOWER) * run->page_size, UPPER_PROT))
		return true;
	fail(run, "mmap of block %zu: %m", n);
	return false;
}

static void map_blocks(struct run *run)
{
	size_t n;

	run->area = (unsigned char *)LOW_PLACE;
	for (n = 0; n < BLOCKS; n++)
		if (!map_block(run, n))
			return;
	run->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (run->fd < 0)
		skip(run, "open of /proc/self/maps: %m");
	set_trap(run);
}

static void map_blocks_to_ask_for(struct run *run)
{
	struct query query;

	map_blocks(run);
	if (!run->failed && !run->skipped &&
	    !ask_for_vma(run->fd, run->area, 0, &query) && errno == ENOTTY)
		skip(run, NO_QUERY);
}

static void unmap_blocks(struct run *run)
{
	take_trap_away();
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	munmap(run->area, BLOCKS * (BLOCK + 1) * run->page_size);
	run->area = NULL;
}

static bool is_of_block(const char *line, const char *prot)
{
	(void)line;
	return !strcmp(prot, "r--p") || !strcmp(prot, "---p");
}

static bool covers_blocks(struct run *run, const char *text)
{
	size_t n;

	for (n = 0; n < BLOCKS; n++)
		if (!lines_cover(run, "/proc/self/maps", text,
				 in_block(run, n, 0), BLOCK * run->page_size,
				 is_of_block))
			return false;
	return true;
}

static void read_on(struct worker *worker)
{
	struct run *run = worker->run;
	char text[LINES_SIZE + 1];
	ssize_t got;

	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker)) {
		enter_page(worker, 0);
		got = pread(run->fd, text, LINES_SIZE, 0);
		leave_page(worker, false);
		if (got < 0) {
			fail(run, "read of /proc/self/maps: %m");
			return;
		}
		text[got] = '\0';
		if (!covers_blocks(run, text))
			return;
	}
}

/* For the VMA at the lowest page that changes hands. */
static bool ask_for_front(struct worker *worker, size_t n)
{
	struct run *run = worker->run;
	unsigned char *at = in_block(run, n, LOWER);
	uint64_t address = (uintptr_t)at;
	struct query query;
	bool asked;

	enter_page(worker, 0);
	asked = ask_for_vma(run->fd, at, 0, &query);
	leave_page(worker, false);
	if (!asked)
		fail(run, "PROCMAP_QUERY of block %zu: %m", n);
	else if (query.start > address || query.end <= address)
		fail(run, "block %zu is not in the VMA that PROCMAP_QUERY gives",
		     n);
	return !run->failed;
}

static void ask_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker))
		if (!ask_for_front(worker, worker->ops % BLOCKS))
			return;
}

static bool give_fronts(struct run *run, int prot)
{
	size_t n;

	for (n = 0; n < BLOCKS; n++)
		if (mprotect(in_block(run, n, LOWER), FRONT * run->page_size,
			     prot)) {
			fail(run, "mprotect in block %zu: %m", n);
			return false;
		}
	return true;
}

static void move_boundaries_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		uint64_t begin;

		lie_in_wait(worker);
		begin = now_ns();
		if (!give_fronts(run, LOWER_PROT))
			return;
		sample(run, now_ns() - begin);
		let_go_on(worker);
		if (!give_fronts(run, UPPER_PROT))
			return;
	}
}

const struct workload ambush_maps = {
	.name = "ambush.maps",
	.summary = "VMAs begin elsewhere in the middle of a read of maps",
	.ops = 600,
	.window = 1,
	.setup = map_blocks,
	.roles = {
		{ "read", read_on, 0, 0 },
		{ "mprotect", move_boundaries_from_ambush, 1, 1 },
	},
	.teardown = unmap_blocks,
};

const struct workload ambush_query = {
	.name = "ambush.query",
	.summary = "VMAs begin elsewhere in the middle of a PROCMAP_QUERY",
	.ops = 600,
	.window = 1,
	.setup = map_blocks_to_ask_for,
	.roles = {
		{ "query", ask_on, 0, 0 },
		{ "mprotect", move_boundaries_from_ambush, 1, 1 },
	},
	.teardown = unmap_blocks,
};
