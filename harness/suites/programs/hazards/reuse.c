// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Short-lived processes that all have the same layout: a VMA that one of them
 * frees is soon another one's, at the same address.  Each writes a pattern
 * made of its own process ID and verifies every page, while a second thread
 * of it unmaps and maps the VMAs.  What is found is its own, or nothing.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define VMAS 6
#define VMA_PAGES 4
#define VMA_STRIDE (VMA_PAGES + 1)	/* a hole between: they never merge */
#define ROUNDS 12

static unsigned char *vma_at(const struct run *run, size_t i)
{
	return run->area + i * VMA_STRIDE * run->page_size;
}

static size_t arena_size(const struct run *run)
{
	return VMAS * VMA_STRIDE * run->page_size;
}

static void reserve_arena(struct run *run)
{
	void *got = mmap((void *)LONELY_PLACE, arena_size(run), PROT_NONE,
			 MAP_PRIVATE_ANON, -1, 0);

	if (got == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	run->area = got;
	unmap_pages(run, run->area, arena_size(run));
	allow_holes(run->area, arena_size(run), false);
}

static void no_more_holes(struct run *run)
{
	(void)run;
	catch_segv();
}

static bool map_vma(struct run *run, size_t i)
{
	unsigned char *at = vma_at(run, i);

	if (mmap(at, VMA_PAGES * run->page_size, PROT_RW,
		 MAP_PRIVATE_ANON | MAP_FIXED_NOREPLACE, -1, 0) == at)
		return true;
	fail(run, "mmap of VMA %zu: %m", i);
	return false;
}

/* Nothing but zero and this process's own mark may be in any page. */
static void *use_vmas(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;
	volatile size_t n = 0;
	uint64_t found;

	if (sigsetjmp(escape, 0)) {
		worker->refused++;
		n = n + 1;
	}
	may_escape = 1;
	for (; n < ROUNDS * VMAS * VMA_PAGES && !run->failed; n = n + 1) {
		size_t name = n % (VMAS * VMA_PAGES);
		unsigned char *page = vma_at(run, name / VMA_PAGES) +
				      name % VMA_PAGES * run->page_size;

		check_touched_or_zero(run, page, name, &found);
		touch_page(run, page, name);
		check_touched_or_zero(run, page, name, &found);
	}
	may_escape = 0;
	return NULL;
}

static void live_shortly(struct run *run, unsigned int number)
{
	struct worker worker = { .run = run };
	uint64_t random = mix(run->opt.seed + number);
	size_t i;

	run->opt.seed = (uint64_t)getpid() * 65537;	/* of contents */
	for (i = 0; i < VMAS; i++)
		if (!map_vma(run, i))
			return;
	if (pthread_create(&worker.thread, NULL, use_vmas, &worker)) {
		fail(run, "cannot start a thread");
		return;
	}
	for (i = 0; i < ROUNDS && !run->failed; i++) {
		size_t nr = random_next(&random) % VMAS;

		if (munmap(vma_at(run, nr), VMA_PAGES * run->page_size))
			fail(run, "munmap of VMA %zu: %m", nr);
		linger(&random);
		if (!map_vma(run, nr))
			break;
		alive(run);
	}
	pthread_join(worker.thread, NULL);
}

/* As many at a time as there are --threads; each one that ends is replaced. */
static void let_them_live(struct run *run)
{
	pid_t pids[MAX_THREADS] = { 0 };
	unsigned int nr = run->opt.threads + 1;
	unsigned long i, total = run->opt.ops * run->opt.threads;

	if (nr > MAX_THREADS)
		nr = MAX_THREADS;
	for (i = 0; i < total + nr; i++) {
		pid_t *slot = &pids[i % nr];

		if (*slot && collect(run, *slot, 0))
			run->operations++;
		*slot = i < total && !run->failed ?
			start_child(run, live_shortly, (unsigned int)i) : 0;
	}
}

const struct workload reuse = {
	.name = "reuse",
	.summary = "short-lived processes of one layout, each with its own data",
	.ops = 24,
	.window = 1,
	.setup = reserve_arena,
	.alone = let_them_live,
	.teardown = no_more_holes,
};
