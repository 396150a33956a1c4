// SPDX-License-Identifier: GPL-2.0-or-later
/* Repetitions of one case, and what was measured. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "marks.h"

/* What all tasks did in one repetition. */
struct repetition {
	uint64_t elapsed;	/* ns, from the first's begin to the last's end */
	uint64_t fault_ns, faults, switches, pages, ops;
	struct vmstat counters;
};

/* What each measured repetition came to. */
struct totals {
	struct measure cost, fault_time, faults, switches;
	struct measure counters[VMSTAT_NR];
};

static void add_up(struct run *run, struct repetition *all)
{
	uint64_t begin = UINT64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < run->nr_tasks; i++) {
		const struct task *task = &run->tasks[i];

		if (task->faults < task->pages)
			fail(run, "the kernel counted %" PRIu64
			     " faults for %" PRIu64 " pages",
			     task->faults, task->pages);
		if (task->begin < begin)
			begin = task->begin;
		if (task->end > end)
			end = task->end;
		all->fault_ns += task->fault_ns;
		all->faults += task->faults;
		all->switches += task->switches;
		all->pages += task->pages;
		all->ops += task->ops;
	}
	all->elapsed = end - begin;
}

static void repeat_once(struct run *run, struct repetition *all)
{
	const struct workload *workload = run->workload;
	struct vmstat before, after;

	if (workload->open)
		workload->open(run);
	meet(run);
	meet(run);
	settle();
	vmstat_read(&before);
	meet(run);
	meet(run);
	vmstat_read(&after);
	vmstat_add(&all->counters, &before, &after);
	meet(run);
	meet(run);
	if (workload->close)
		workload->close(run);
	if (!run->failed)
		add_up(run, all);
}

/* Nothing is printed, and no memory taken, until all is done. */
static void repeat_all(struct run *run, struct repetition *repetitions)
{
	start_tasks(run);
	for (run->round = 0; run->round < run->opt.repeat; run->round++) {
		if (run->round < DISCARDED)
			mark(MARK_WARMUP);
		else
			mark(MARK_MEASURED);
		repeat_once(run, &repetitions[run->round]);
		if (run->failed)
			break;
	}
	end_tasks(run);
}

static void keep(const struct run *run, const struct repetition *all,
		 struct totals *totals)
{
	size_t i;

	measure_add(&totals->cost, all->elapsed, all->ops);
	if (run->workload->times_faults)
		measure_add(&totals->fault_time, all->fault_ns, all->faults);
	/* The counters' share is one of faults, where there are any. */
	for (i = 0; all->counters.there && i < VMSTAT_NR; i++)
		measure_add(&totals->counters[i], all->counters.value[i],
			    all->pages ? all->faults : all->ops);
	measure_add(&totals->faults, all->faults, all->ops);
	measure_add(&totals->switches, all->switches, all->ops);
}

/* What one task gets done in a second, beside the others. */
static void report_rate(const struct run *run, uint64_t elapsed, uint64_t ops)
{
	char unit[32];

	/* A coarse clock may have seen no time. */
	if (clock_counts() || !elapsed)
		return;
	snprintf(unit, sizeof(unit), "%ss/s/task",
		 run->workload->unit + strlen("ns/"));
	metric("rate", 1e9 * (double)ops / (double)elapsed / run->nr_tasks,
	       unit, ops);
}

static void report(const struct run *run, const struct repetition *repetitions)
{
	const struct workload *workload = run->workload;
	struct totals totals = { 0 };
	uint64_t elapsed = 0, ops = 0;
	unsigned int i;

	for (i = 0; i < run->opt.repeat; i++) {
		const struct repetition *all = &repetitions[i];

		printf("# repetition %u%s: %" PRIu64 " ns, %" PRIu64
		       " ops, %" PRIu64 " faults\n", i,
		       i < DISCARDED ? " (discarded)" : "", all->elapsed,
		       all->ops, all->faults);
		if (i < DISCARDED)
			continue;
		keep(run, all, &totals);
		elapsed += all->elapsed;
		ops += all->ops;
	}
	measure_mean(&totals.cost, workload->cost, workload->unit);
	report_rate(run, elapsed, ops);
	if (workload->times_faults)
		measure_mean(&totals.fault_time, "fault_time", "ns/fault");
	measure_sum(&totals.faults, "pgfault", "events");
	measure_sum(&totals.switches, "context_switches", "events");
	measure_counters(totals.counters);
}

static void make_tasks(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_tasks; i++) {
		struct task *task = &run->tasks[i];

		task->run = run;
		task->index = i;
		task->first = (size_t)i * run->workload->window;
		task->place = task_place(run, i);
		task->fd = -1;
		task->buffer = aligned_alloc(run->page_size, run->page_size);
		if (!task->buffer)
			die("out of memory");
	}
}

/* Run it and print its metrics; failed, skipped and reason say how it ended. */
void run_workload(struct run *run, const char *name)
{
	struct repetition *repetitions = calloc(run->opt.repeat,
						sizeof(*repetitions));
	unsigned int i;

	if (!repetitions)
		die("out of memory");
	printf("# %s: %lu ops, %u repetitions, seed %" PRIu64
	       ", pages of %zu bytes, clock of %" PRIu64 " ns, %s layout\n",
	       name, run->opt.ops, run->opt.repeat, run->opt.seed,
	       run->page_size, clock_resolution_ns(),
	       layout_is_fixed() ? "fixed" : "random");
	fflush(stdout);
	mark(MARK_CASE);
	make_tasks(run);
	if (run->workload->setup)
		run->workload->setup(run);
	if (!run->failed && !run->skipped)
		repeat_all(run, repetitions);
	if (run->workload->teardown)
		run->workload->teardown(run);
	if (!run->failed && !run->skipped)
		report(run, repetitions);
	for (i = 0; i < run->nr_tasks; i++)
		free(run->tasks[i].buffer);
	free(repetitions);
}
