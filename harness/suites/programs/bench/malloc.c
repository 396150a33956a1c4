// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * malloc: the system calls and faults of a memory allocator whose program is
 * busy, without the allocator.  Each task has a heap, reserved as PROT_NONE, of
 * which it makes more and more writable and gives the top back with
 * MADV_DONTNEED and PROT_NONE, and blocks that are too big for it, which are
 * mapped and unmapped one by one.  Pages are written to when they come and read
 * when they go.
 *
 * The order of all that is the same in every repetition and at every seed.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"

#define HEAP_PAGES 512
#define MOST_GROWTH 24		/* pages */
#define NR_BLOCKS 6
#define LEAST_BLOCK 32		/* pages: 128 KiB, a usual threshold */
#define MORE_BLOCK 16

struct block {
	unsigned char *start;	/* NULL: free */
	size_t pages;
	size_t first;		/* number of its first page */
};

struct heap {
	uint64_t random;
	size_t next;		/* number of the next page that is touched */
	size_t top;		/* pages in use */
	size_t numbers[HEAP_PAGES];
	struct block blocks[NR_BLOCKS];
};

static void make_heaps(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_tasks; i++) {
		run->tasks[i].state = calloc(1, sizeof(struct heap));
		if (!run->tasks[i].state)
			die("out of memory");
	}
}

static void free_heaps(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_tasks; i++)
		free(run->tasks[i].state);
}

static unsigned char *heap_page(const struct task *task, size_t n)
{
	return page_at(task->run, task->place, n);
}

static void protect(struct task *task, size_t n, size_t pages, int prot)
{
	if (mprotect(heap_page(task, n), pages * task->run->page_size, prot))
		fail(task->run, "mprotect of %zu heap pages: %m", pages);
}

static void touch(struct task *task, unsigned char *page, size_t number)
{
	touch_page(task->run, page, number);
	task->pages++;
}

static void grow_heap(struct task *task, struct heap *heap)
{
	size_t pages = 1 + random_next(&heap->random) % MOST_GROWTH;

	if (pages > HEAP_PAGES - heap->top)
		return;
	protect(task, heap->top, pages, PROT_RW);
	for (; pages && !task->run->failed; pages--, heap->top++) {
		heap->numbers[heap->top] = heap->next++;
		touch(task, heap_page(task, heap->top),
		      heap->numbers[heap->top]);
	}
}

static void trim_heap(struct task *task, struct heap *heap)
{
	size_t pages = 1 + random_next(&heap->random) % MOST_GROWTH, n;
	struct run *run = task->run;

	if (pages > heap->top)
		return;
	for (n = heap->top - pages; n < heap->top; n++)
		if (!check_mark(run, heap_page(task, n), heap->numbers[n]))
			return;
	heap->top -= pages;
	if (madvise(heap_page(task, heap->top), pages * run->page_size,
		    MADV_DONTNEED))
		fail(run, "madvise(MADV_DONTNEED) of %zu pages: %m", pages);
	protect(task, heap->top, pages, PROT_NONE);
}

static void map_block(struct task *task, struct heap *heap, struct block *block)
{
	struct run *run = task->run;
	size_t n;

	block->pages = LEAST_BLOCK + random_next(&heap->random) % MORE_BLOCK;
	block->first = heap->next;
	block->start = map_pages(run, block->pages * run->page_size, PROT_RW,
				 MAP_PRIVATE_ANON, -1);
	if (!block->start)
		return;
	heap->next += block->pages;
	for (n = 0; n < block->pages; n++)
		touch(task, page_at(run, block->start, n), block->first + n);
}

static void unmap_block(struct task *task, struct block *block,
			bool (*check)(struct run *, const unsigned char *,
				      size_t))
{
	struct run *run = task->run;
	size_t n;

	for (n = 0; n < block->pages; n++)
		if (!check(run, page_at(run, block->start, n),
			   block->first + n))
			break;
	unmap_pages(run, block->start, block->pages * run->page_size);
	block->start = NULL;
}

static void reserve(struct task *task)
{
	struct run *run = task->run;
	struct heap *heap = task->state;

	heap->random = mix(task->index);
	heap->next = (size_t)task->index << 24;
	heap->top = 0;
	map_at(run, task->place, HEAP_PAGES * run->page_size, PROT_NONE,
	       MAP_PRIVATE_ANON | MAP_NORESERVE, -1);
}

static void churn(struct task *task)
{
	struct run *run = task->run;
	struct heap *heap = task->state;

	for (; task->ops < run->opt.ops && !run->failed; task->ops++) {
		uint64_t choice = random_next(&heap->random);
		struct block *block = &heap->blocks[(choice >> 8) % NR_BLOCKS];

		/* As many pages come as go, but for what is left in the end. */
		if (choice % 4 == 0 && block->start)
			unmap_block(task, block, check_mark);
		else if (choice % 4 == 0)
			map_block(task, heap, block);
		else if (choice % 8 < 4)
			grow_heap(task, heap);
		else
			trim_heap(task, heap);
	}
}

/* Every word of what is in use, and of nothing else. */
static void check_heap(struct task *task)
{
	struct run *run = task->run;
	struct heap *heap = task->state;
	unsigned int i;
	size_t n;

	for (n = 0; n < heap->top; n++)
		if (!check_touched(run, heap_page(task, n), heap->numbers[n]))
			break;
	for (i = 0; i < NR_BLOCKS; i++)
		if (heap->blocks[i].start)
			unmap_block(task, &heap->blocks[i], check_touched);
	unmap_pages(run, task->place, HEAP_PAGES * run->page_size);
}

const struct workload malloc_churn = {
	.name = "malloc",
	.summary = "a heap grows and shrinks, big blocks come and go",
	.ops = 32,
	.cost = "op_cost",
	.unit = "ns/op",
	.setup = make_heaps,
	.prepare = reserve,
	.work = churn,
	.check = check_heap,
	.teardown = free_heaps,
};
