// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * page_fault1, 2, 3: each task maps memory of its own, writes a word to every
 * page, reads it back and unmaps, over and over.  The memory is anonymous, or a
 * private or shared mapping of a file in the page cache, one file a task.
 *
 * Before each repetition's work the same is done once for every word of every
 * page; while it is timed, the word that was written is looked at.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "bench.h"
#include "marks.h"

/* From a mapping to the next, pages have other numbers, and so other marks. */
#define NEXT_MAPPING 1000003

static unsigned char *map(struct task *task)
{
	return map_at(task->run, task->place, window_size(task->run), PROT_RW,
		      task->run->workload->mapping, task->fd);
}

/* Timed: `turn` is the mapping's number in this repetition, from 1. */
static void touch_mapping(struct task *task, unsigned long turn, size_t count)
{
	struct run *run = task->run;
	size_t first = task->first + turn * NEXT_MAPPING;
	unsigned char *area = map(task);
	uint64_t begin;
	size_t n;

	if (!area)
		return;
	begin = now_ns();
	mark(MARK_BEGIN(1));
	for (n = 0; n < count; n++)
		touch_page(run, page_at(run, area, n), first + n);
	mark(MARK_END(1));
	task->fault_ns += now_ns() - begin;
	for (n = 0; n < count; n++)
		if (!check_mark(run, page_at(run, area, n), first + n))
			break;
	unmap_pages(run, area, window_size(run));
	task->pages += count;
	task->ops += count;
}

static void touch_mappings(struct task *task)
{
	struct run *run = task->run;
	unsigned long turn, left = run->opt.ops;
	size_t count = run->workload->window;

	for (turn = 1; left && !run->failed; turn++) {
		if (count > left)
			count = left;
		touch_mapping(task, turn, count);
		left -= count;
	}
}

/* Every word of each page, by what the mapping is of. */
static bool check_page(struct task *task, unsigned char *page, size_t n)
{
	struct run *run = task->run;
	int mapping = run->workload->mapping;
	size_t number = task->first + n;

	if (mapping & MAP_ANONYMOUS)
		return check_touched(run, page, number);
	if (!check_touched_filled(run, page, number) || !read_file(task, n))
		return false;
	/* A shared page is the file's; a private one has not changed it. */
	return mapping & MAP_SHARED ?
	       check_touched_filled(run, task->buffer, number) :
	       check_filled(run, task->buffer, number);
}

static void check_mapping(struct task *task)
{
	struct run *run = task->run;
	unsigned char *area = map(task);
	size_t n;

	if (!area)
		return;
	for (n = 0; n < run->workload->window; n++)
		touch_page(run, page_at(run, area, n), task->first + n);
	for (n = 0; n < run->workload->window; n++)
		if (!check_page(task, page_at(run, area, n), n))
			break;
	unmap_pages(run, area, window_size(run));
}

/* What the mappings wrote to the file is taken back, for the next ones. */
static void restore_file(struct task *task)
{
	size_t n;

	for (n = 0; n < task->run->workload->window; n++)
		if (!write_file(task, n))
			return;
}

static void check_shared_mapping(struct task *task)
{
	check_mapping(task);
	if (!task->run->failed)
		restore_file(task);
}

/* A private mapping must have left the file as it was, to the last word. */
static void check_file(struct task *task)
{
	struct run *run = task->run;
	size_t n;

	for (n = 0; n < run->workload->window; n++)
		if (!read_file(task, n) ||
		    !check_filled(run, task->buffer, task->first + n))
			return;
}

#define SHAPE							\
	.ops = 256,						\
	.window = 128,						\
	.cost = "page_cost",					\
	.unit = "ns/page",					\
	.times_faults = true,					\
	.work = touch_mappings

const struct workload page_fault1 = {
	.name = "page_fault1",
	.summary = "each task maps anonymous memory, writes to it, unmaps it",
	.mapping = MAP_PRIVATE_ANON,
	SHAPE,
	.prepare = check_mapping,
};

const struct workload page_fault2 = {
	.name = "page_fault2",
	.summary = "the same with private mappings of a file",
	.mapping = MAP_PRIVATE,
	SHAPE,
	.setup = make_files,
	.prepare = check_mapping,
	.check = check_file,
	.teardown = close_files,
};

const struct workload page_fault3 = {
	.name = "page_fault3",
	.summary = "the same with shared mappings of a file",
	.mapping = MAP_SHARED,
	SHAPE,
	.setup = make_files,
	.prepare = check_shared_mapping,
	.check = restore_file,
	.teardown = close_files,
};
