// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pft: one anonymous mapping, of which each thread writes to every page of its
 * own part, all at once.  What is timed is faults alone, and all are in one
 * VMA: with more threads, a fault costs more by what they share.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "bench.h"

static size_t area_size(const struct run *run)
{
	return run->nr_tasks * run->opt.ops * run->page_size;
}

static void only_threads(struct run *run)
{
	if (run->opt.processes)
		skip(run, "processes have no mapping in common");
}

static void map_area(struct run *run)
{
	run->area = map_at(run, run->tasks[0].place, area_size(run), PROT_RW,
			   MAP_PRIVATE_ANON, -1);
}

static void unmap_area(struct run *run)
{
	unmap_pages(run, run->area, area_size(run));
}

static void touch_part(struct task *task)
{
	struct run *run = task->run;
	size_t first = task->index * run->opt.ops;
	size_t n;

	for (n = first; n < first + run->opt.ops; n++)
		touch_page(run, page_at(run, run->area, n), n);
	task->ops = task->pages = run->opt.ops;
}

static void check_part(struct task *task)
{
	struct run *run = task->run;
	size_t first = task->index * run->opt.ops;
	size_t n;

	for (n = first; n < first + run->opt.ops; n++)
		if (!check_touched(run, page_at(run, run->area, n), n))
			return;
}

const struct workload pft = {
	.name = "pft",
	.summary = "threads write to their parts of one anonymous mapping",
	.ops = 256,
	.cost = "fault_cost",
	.unit = "ns/fault",
	.setup = only_threads,
	.open = map_area,
	.work = touch_part,
	.check = check_part,
	.close = unmap_area,
};
