// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out of an ambush, the VMAs that a reader of /proc/self/maps walks along lose
 * their front to VMAs of other permissions.  One that the reader has found but
 * not yet locked is not the next one any more.  Each of the blocks is mapped
 * all the time: what is read has to cover it.
 *
 * They lie below everything else in the address space, so that a short read is
 * about nothing else, and never grow: the reader goes on where a VMA ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ambush.h"
#include "query.h"

#define LOW_PLACE 0x100000ul	/* a program is linked to start behind it */
#define BLOCKS 6
#define BLOCK 4			/* pages of each; one more is not mapped */
#define FRONT 2			/* pages of it that change */
#define LINES_SIZE 512		/* two lines of 42 characters for each block */

static unsigned char *block_at(const struct run *run, size_t n)
{
	return page_at(run, run->area, n * (BLOCK + 1));
}

/* The first pages of a block. */
static bool map_block(struct run *run, size_t n, size_t pages, int prot,
		      int flags)
{
	unsigned char *at = block_at(run, n);
	void *got = mmap(at, pages * run->page_size, prot,
			 MAP_PRIVATE_ANON | flags, -1, 0);

	if (got == at)
		return true;
	fail(run, "mmap of block %zu: %m", n);
	return false;
}

static void map_blocks(struct run *run)
{
	size_t n;

	run->area = (unsigned char *)LOW_PLACE;
	for (n = 0; n < BLOCKS; n++)
		if (!map_block(run, n, BLOCK, PROT_RW, MAP_FIXED_NOREPLACE))
			return;
	run->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (run->fd < 0)
		skip(run, "open of /proc/self/maps: %m");
	set_trap(run);
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

/* How far a line says that memory is mapped; 0 where it can't be right. */
static uintptr_t covered_by(struct run *run, const char *line,
			    uintptr_t covered)
{
	uintptr_t start, end;
	char prot[5];

	if (sscanf(line, "%lx-%lx %4s", &start, &end, prot) != 3 ||
	    prot[0] != 'r') {
		fail(run, "/proc/self/maps says %.80s", line);
		return 0;
	}
	if (start <= covered)
		return end;
	fail(run, "/proc/self/maps has a gap of %zu bytes in what is mapped",
	     (size_t)(start - covered));
	return 0;
}

/* Lines may overlap: of before and after a change. */
static bool covers_blocks(struct run *run, char *text)
{
	uintptr_t covered = (uintptr_t)block_at(run, 0), end;
	char *line, *rest;
	size_t n = 0;

	for (line = strtok_r(text, "\n", &rest); line && n < BLOCKS;
	     line = strtok_r(NULL, "\n", &rest)) {
		end = covered_by(run, line, covered);
		if (!end)
			return false;
		if (end > covered)
			covered = end;
		if (covered >= (uintptr_t)block_at(run, n) +
			       BLOCK * run->page_size)
			covered = (uintptr_t)block_at(run, ++n);
	}
	if (n < BLOCKS)
		fail(run, "/proc/self/maps ends before block %zu does", n);
	return n == BLOCKS;
}

static bool read_blocks(struct worker *worker)
{
	struct run *run = worker->run;
	char text[LINES_SIZE + 1];
	ssize_t got;

	enter_page(worker, 0);
	got = pread(run->fd, text, LINES_SIZE, 0);
	leave_page(worker, false);
	if (got < 0) {
		fail(run, "read of /proc/self/maps: %m");
		return false;
	}
	text[got] = '\0';
	return covers_blocks(run, text);
}

/* The VMA at each block's first page, which no change leaves unmapped. */
static bool ask_for_blocks(struct worker *worker)
{
	struct run *run = worker->run;
	struct query query;
	size_t n;

	for (n = 0; n < BLOCKS; n++) {
		unsigned char *at = block_at(run, n);
		bool asked;

		enter_page(worker, 0);
		asked = ask_for_vma(run->fd, at, 0, &query);
		leave_page(worker, false);
		if (!asked && errno == ENOTTY)
			return true;
		if (!asked) {
			fail(run, "PROCMAP_QUERY of block %zu: %m", n);
			return false;
		}
		if (query.start == (uintptr_t)at)
			continue;
		fail(run, "block %zu is not in the VMA that PROCMAP_QUERY gives",
		     n);
		return false;
	}
	return true;
}

static void read_on(struct worker *worker)
{
	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker))
		if (!(worker->ops % 2 ? ask_for_blocks(worker) :
					read_blocks(worker)))
			return;
}

static bool map_all(struct run *run, size_t pages, int prot)
{
	size_t n;

	for (n = 0; n < BLOCKS; n++)
		if (!map_block(run, n, pages, prot, MAP_FIXED))
			return false;
	return true;
}

static void replace_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		uint64_t begin;

		lie_in_wait(worker);
		begin = now_ns();
		if (!map_all(run, FRONT, PROT_READ))
			return;
		sample(run, now_ns() - begin);
		let_go_on(worker);
		if (!map_all(run, BLOCK, PROT_RW))
			return;
	}
}

const struct workload ambush_maps = {
	.name = "ambush.maps",
	.summary = "VMAs are replaced in the middle of a read of maps",
	.ops = 600,
	.window = 1,
	.setup = map_blocks,
	.roles = {
		{ "read", read_on, 0, 0 },
		{ "mmap", replace_from_ambush, 1, 1 },
	},
	.teardown = unmap_blocks,
};
