// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of a task.  Each has a place of its own, far from the others: what
 * they map does not merge, and each has page tables of its own.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "bench.h"

/* Free in every layout of 39 bits and more. */
#define FIRST_PLACE (128ull << 30)
#define PLACE_SIZE (1ull << 30)

unsigned char *task_place(const struct run *run, unsigned int index)
{
	size_t shift = layout_shift(run->opt.seed) * run->page_size;

	return (unsigned char *)(uintptr_t)(FIRST_PLACE + index * PLACE_SIZE +
					    shift);
}

size_t window_size(const struct run *run)
{
	return run->workload->window * run->page_size;
}

unsigned char *page_at(const struct run *run, unsigned char *base, size_t page)
{
	return base + page * run->page_size;
}

/* NULL after fail(). */
unsigned char *map_at(struct run *run, unsigned char *place, size_t size,
		      int prot, int flags, int fd)
{
	void *got = mmap(place, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (got == place)
		return place;
	if (got == MAP_FAILED)
		fail(run, "mmap of %zu bytes at %p: %m", size, (void *)place);
	else
		fail(run, "mmap at %p gave %p", (void *)place, got);
	return NULL;
}
