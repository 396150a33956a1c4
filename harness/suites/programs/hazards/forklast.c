// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No write is lost while its page is shared with a child (fork).  Every thread
 * knows what it wrote last.
 *
 * fork() shares the pages that all write to first of all, and then many more.
 * The writers' CPUs may still write to what is shared until it ends and flushes
 * their TLBs.  In between nobody may get a copy: a thread of real-time priority
 * interrupts fork() on its own CPU, and writes to each page.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define SHARED_PAGES 6		/* of all threads together */
#define FURTHER_PAGES 1024	/* that keep fork() busy */
#define ALL_PAGES (SHARED_PAGES + FURTHER_PAGES)
#define FIRST_GUESS_NS 2000000

static struct {
	atomic_bool forking;		/* and nobody has interrupted it */
	atomic_ulong fork_ns;		/* that the last one took */
} state;

static volatile uint64_t *word_of(const struct run *run, size_t page,
				  size_t word)
{
	return (volatile uint64_t *)page_at(run, run->area, page) + word;
}

/* Below all else that is mapped but the program: fork() goes upwards. */
static void map_shared_pages(struct run *run)
{
	void *got = mmap((void *)LONELY_PLACE, ALL_PAGES * run->page_size,
			 PROT_RW, MAP_PRIVATE_ANON, -1, 0);
	size_t n;

	state.forking = false;
	state.fork_ns = FIRST_GUESS_NS;
	if (got == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	run->area = got;
	for (n = SHARED_PAGES; n < ALL_PAGES; n++)
		*word_of(run, n, 0) = n;
}

static void unmap_shared_pages(struct run *run)
{
	unmap_pages(run, run->area, ALL_PAGES * run->page_size);
	run->area = NULL;
}

/* Each thread has a word in every page; false after fail(). */
static bool write_to_each(struct worker *worker, size_t word, uint64_t *last)
{
	struct run *run = worker->run;
	size_t n;

	for (n = 0; n < SHARED_PAGES; n++) {
		volatile uint64_t *place = word_of(run, n, word);
		uint64_t found = *place;

		if (found != last[n]) {
			fail(run, "a write to page %zu was lost while forking: "
			     "%llu instead of %llu", n,
			     (unsigned long long)found,
			     (unsigned long long)last[n]);
			return false;
		}
		last[n] = ++worker->turn;
		*place = last[n];
	}
	return true;
}

static void write_to_all(struct worker *worker)
{
	uint64_t last[SHARED_PAGES] = { 0 };
	unsigned int others = nr_cpus() - 1;

	stay_on_cpu(others ? 1 + worker->index % others : 0, SCHED_OTHER);
	while (going(worker) && write_to_each(worker, worker->index, last))
		;
}

/* The parent's threads go on; nothing of that is seen here. */
static void see_no_change(struct run *run, unsigned int number)
{
	uint64_t random = run->opt.seed + number;
	uint64_t before[SHARED_PAGES][MAX_THREADS + 1];
	size_t n, i;

	for (n = 0; n < SHARED_PAGES; n++)
		for (i = 0; i <= run->opt.threads; i++)
			before[n][i] = *word_of(run, n, i);
	linger(&random);
	for (n = 0; n < SHARED_PAGES; n++)
		for (i = 0; i <= run->opt.threads; i++)
			if (*word_of(run, n, i) != before[n][i])
				fail(run, "page %zu of a child changes", n);
}

static void fork_while_written(struct worker *worker)
{
	struct run *run = worker->run;

	stay_on_cpu(0, SCHED_OTHER);
	while (going(worker)) {
		uint64_t begin = now_ns();
		pid_t pid;

		state.forking = true;
		pid = start_child(run, see_no_change,
				  (unsigned int)worker->ops);
		state.forking = false;
		state.fork_ns = now_ns() - begin + 1;
		sample(run, state.fork_ns);
		if (!pid || !collect(run, pid, 0))
			return;
	}
}

/* Once in each fork(): a second write would find what it got by the first. */
static void write_while_forking(struct worker *worker)
{
	uint64_t last[SHARED_PAGES] = { 0 };
	size_t word = worker->run->opt.threads;

	stay_on_cpu(0, SCHED_FIFO);
	while (going(worker)) {
		sleep_ns((long)(random_next(&worker->random) % state.fork_ns));
		if (atomic_exchange(&state.forking, false) &&
		    !write_to_each(worker, word, last))
			return;
	}
}

const struct workload fork_last = {
	.name = "fork.last",
	.summary = "what threads write to shared pages stays while one forks",
	.ops = 120,
	.window = 1,
	.setup = map_shared_pages,
	.roles = {
		{ "write", write_to_all, 0, 0 },
		{ "fork", fork_while_written, 1, 1 },
		{ "interrupt", write_while_forking, 1, 0 },
	},
	.teardown = unmap_shared_pages,
};
