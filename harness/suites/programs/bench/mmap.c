// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap1: each task maps 128 MiB of anonymous memory where the kernel likes, and
 * unmaps it, and touches nothing: what is paid for is a VMA.  Before each
 * repetition's work two such mappings, which may have merged, are written to
 * and one of them unmapped: the other must keep what it has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "bench.h"

#define SIZE ((size_t)128 << 20)

static void map_and_unmap(struct task *task)
{
	struct run *run = task->run;

	while (task->ops < run->opt.ops && !run->failed) {
		unsigned char *area;

		noise_point();
		area = map_pages(run, SIZE, PROT_RW, MAP_PRIVATE_ANON, -1);
		if (!area)
			return;
		unmap_pages(run, area, SIZE);
		task->ops++;
	}
}

/* First page, one in the middle, last page. */
static size_t probe(const struct run *run, unsigned int i)
{
	return i * (SIZE / run->page_size - 1) / 2;
}

static void touch_probes(struct run *run, unsigned char *area, size_t first)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		touch_page(run, page_at(run, area, probe(run, i)), first + i);
}

static bool check_probes(struct run *run, unsigned char *area, size_t first)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (!check_touched(run, page_at(run, area, probe(run, i)),
				   first + i))
			return false;
	return true;
}

/* Where no other thread may have mapped something meanwhile. */
static void check_gone(struct run *run, unsigned char *area)
{
	unsigned char there;
	unsigned int i;

	if (run->nr_tasks > 1 && !run->opt.processes)
		return;
	for (i = 0; i < 3; i++)
		if (!mincore(page_at(run, area, probe(run, i)), run->page_size,
			     &there) || errno != ENOMEM) {
			fail(run, "page %zu is there after munmap",
			     probe(run, i));
			return;
		}
}

static void check_mappings(struct task *task)
{
	struct run *run = task->run;
	unsigned char *kept, *gone;

	kept = map_pages(run, SIZE, PROT_RW, MAP_PRIVATE_ANON, -1);
	gone = map_pages(run, SIZE, PROT_RW, MAP_PRIVATE_ANON, -1);
	if (kept && gone) {
		touch_probes(run, kept, task->first);
		touch_probes(run, gone, task->first + 3);
		check_probes(run, gone, task->first + 3);
	}
	unmap_pages(run, gone, SIZE);
	if (gone)
		check_gone(run, gone);
	if (kept)
		check_probes(run, kept, task->first);
	unmap_pages(run, kept, SIZE);
	if (kept)
		check_gone(run, kept);
}

const struct workload mmap1 = {
	.name = "mmap1",
	.summary = "each task maps memory and unmaps it, untouched",
	.ops = 128,
	.window = 6,	/* pages that are written to */
	.cost = "op_cost",
	.unit = "ns/op",
	.prepare = check_mappings,
	.work = map_and_unmap,
};
