// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First touch of private anonymous memory.  All threads fault in one VMA that
 * is new in every round: its first fault also makes the anon_vma.
 */
#include <sys/mman.h>

#include "faults.h"

static void map_anon(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void unmap_anon(struct run *run)
{
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

const struct workload anon = {
	.name = "anon",
	.summary = "first touch of anonymous memory",
	.ops = 2048,
	.window = 1024,
	.open = map_anon,
	.touch = touch_pages,
	.verify = verify_touched,
	.close = unmap_anon,
};

/*
 * The same memory again and again: MADV_DONTNEED drops the pages and leaves
 * VMA, anon_vma and page tables, so this is the fault alone.
 */
static void drop_pages(struct run *run)
{
	if (madvise(run->area, area_size(run), MADV_DONTNEED))
		fail(run, "madvise(MADV_DONTNEED): %m");
}

const struct workload refault = {
	.name = "refault",
	.summary = "touch again after MADV_DONTNEED",
	.ops = 2048,
	.window = 1024,
	.setup = map_anon,
	.touch = touch_pages,
	.verify = verify_touched,
	.close = drop_pages,
	.teardown = unmap_anon,
};
