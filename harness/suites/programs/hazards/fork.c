// SPDX-License-Identifier: GPL-2.0-or-later
/* Forks of a process whose other threads are faulting. */
#define _GNU_SOURCE
#include "hazards.h"

/* The child is a snapshot: each page is empty or whole, and stays as it is. */
static bool page_is_sound(struct run *run, size_t n)
{
	const volatile uint64_t *word =
		(uint64_t *)page_at(run, run->area, n);
	size_t words = run->page_size / sizeof(*word), i, found = 0;

	for (i = 0; i < words; i++)
		found += word[i] != 0;
	if (found > 1)
		fail(run, "page %zu of a forked child has %zu words", n, found);
	return found <= 1;
}

static void use_snapshot(struct run *run, unsigned int number)
{
	size_t n;

	for (n = 0; n < area_pages(run); n++)
		if (!page_is_sound(run, n))
			return;
	run->opt.seed += number + 1;	/* another pattern than the parent's */
	for (n = 0; n < area_pages(run); n += 2)
		fill_page(run, page_at(run, run->area, n), n);
	for (n = 0; n < area_pages(run); n++)
		if (n % 2 ? !page_is_sound(run, n) :
			    !check_filled(run, page_at(run, run->area, n), n))
			return;
}

static void fork_always(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		uint64_t begin = now_ns();
		pid_t pid = start_child(run, use_snapshot,
					(unsigned int)worker->ops);

		sample(run, now_ns() - begin);
		if (!pid || !collect(run, pid, 0))
			return;
	}
}

const struct workload fork_storm = {
	.name = "fork",
	.summary = "faults while another thread forks; the child verifies",
	.ops = 80,
	.window = 24,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "fork", fork_always, 1, 5 },
	},
	.teardown = unmap_area,
};
