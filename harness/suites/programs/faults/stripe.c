// SPDX-License-Identifier: GPL-2.0-or-later
/* What most workloads do with the pages of a thread in a round. */
#include "faults.h"

/* Timed: a write to each page. */
void touch_pages(struct worker *worker)
{
	struct run *run = worker->run;
	size_t end = worker->first + run->count;
	size_t n;

	span_begin(worker);
	for (n = worker->first; n < end; n++)
		touch_page(run, page_at(run, run->area, n), n);
	span_end(worker, run->count);
}

/* Timed: a read of each page, up to the first that is wrong. */
void read_pages(struct worker *worker)
{
	struct run *run = worker->run;
	size_t end = worker->first + run->count;
	size_t n;

	span_begin(worker);
	for (n = worker->first; n < end; n++)
		if (!read_page(run, page_at(run, run->area, n), n))
			break;
	span_end(worker, n - worker->first);
}

static void verify(struct worker *worker, unsigned char *view,
		   bool (*check)(struct run *, const unsigned char *, size_t))
{
	struct run *run = worker->run;
	size_t n;

	for (n = worker->first; n < worker->first + run->count; n++)
		if (!check(run, page_at(run, view, n), n))
			return;
}

void verify_touched(struct worker *worker)
{
	verify(worker, worker->run->area, check_touched);
}

void verify_touched_mirror(struct worker *worker)
{
	verify(worker, worker->run->mirror, check_touched);
}

void verify_touched_filled(struct worker *worker)
{
	verify(worker, worker->run->area, check_touched_filled);
}

void verify_filled(struct worker *worker)
{
	verify(worker, worker->run->area, check_filled);
}
