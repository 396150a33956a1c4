// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads, rounds and repetitions of one case, and what was measured. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"
#include "marks.h"

/* What the measured repetitions came to. */
struct totals {
	uint64_t ns, faults, pages, refused;
	struct measure fault_time, fault_cost, page_time, writer;
	struct measure counters[VMSTAT_NR];
};

bool is_writer(const struct worker *worker)
{
	return worker->index >= worker->run->opt.threads;
}

size_t area_size(const struct run *run)
{
	return run->opt.threads * run->workload->window * run->page_size;
}

unsigned char *page_at(const struct run *run, unsigned char *base, size_t page)
{
	return base + page * run->page_size;
}

/*
 * Each thread on a CPU of its own while they last.  The writer of a race has
 * the last CPU for itself: its latency is that of locks, not of a run queue.
 */
static void pin(const struct worker *worker)
{
	unsigned int cpus, wanted, cpu;
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	cpus = (unsigned int)CPU_COUNT(&allowed);
	if (is_writer(worker))
		wanted = cpus - 1;
	else if (worker->run->workload->write && cpus > 1)
		wanted = worker->index % (cpus - 1);
	else
		wanted = worker->index % cpus;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !wanted--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

/* Where these threads have the CPUs to themselves, they begin at once. */
static void touch(struct worker *worker)
{
	struct run *run = worker->run;

	if (run->workload->write || run->workload->sleeps) {
		run->workload->touch(worker);
		return;
	}
	if (!worker->index)
		await_tick();
	line_up(&run->in_line, &worker->lines, run->opt.threads);
	run->workload->touch(worker);
	line_up(&run->in_line, &worker->lines, run->opt.threads);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;
	const struct workload *workload = run->workload;

	pin(worker);
	join_noise(worker->index);
	for (;;) {
		pthread_barrier_wait(&run->barrier);	/* opened, or over */
		if (run->stop) {
			leave_noise();
			return NULL;
		}
		if (is_writer(worker))
			workload->write(worker);
		else
			touch(worker);
		pthread_barrier_wait(&run->barrier);	/* touched */
		pthread_barrier_wait(&run->barrier);	/* settled */
		if (workload->verify && !is_writer(worker) && !run->failed)
			workload->verify(worker);
		pthread_barrier_wait(&run->barrier);	/* verified */
	}
}

/* From the first one's begin to the last one's end. */
static uint64_t span_of_all(const struct run *run)
{
	uint64_t begin = UINT64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < run->opt.threads; i++) {
		const struct worker *worker = &run->workers[i];

		if (worker->span_ns < begin)
			begin = worker->span_ns;
		if (worker->span_end_ns > end)
			end = worker->span_end_ns;
	}
	return end - begin;
}

static void run_round(struct run *run)
{
	const struct workload *workload = run->workload;
	struct vmstat before, after;

	if (workload->open)
		workload->open(run);
	if (run->failed)
		return;
	run->unfinished = (int)run->nr_workers;
	settle();
	vmstat_read(&before);
	pthread_barrier_wait(&run->barrier);
	pthread_barrier_wait(&run->barrier);
	vmstat_read(&after);
	vmstat_add(&run->counters, &before, &after);
	run->elapsed += span_of_all(run);
	if (workload->settle)
		workload->settle(run);
	pthread_barrier_wait(&run->barrier);
	pthread_barrier_wait(&run->barrier);
	if (workload->close)
		workload->close(run);
	run->round++;
}

/* A race is one round: its threads repeat themselves. */
static void run_rounds(struct run *run)
{
	unsigned long left = run->opt.ops;

	if (run->workload->write) {
		run->count = run->workload->window;
		run_round(run);
		return;
	}
	while (left && !run->failed) {
		run->count = run->workload->window;
		if (run->count > left)
			run->count = left;
		run_round(run);
		left -= run->count;
	}
}

static void keep(struct run *run, struct totals *totals, uint64_t ns,
		 uint64_t faults, uint64_t pages)
{
	size_t i;

	totals->ns += ns;
	totals->faults += faults;
	totals->pages += pages;
	measure_add(&totals->fault_time, ns, faults);
	if (!run->workload->write)
		measure_add(&totals->fault_cost, run->elapsed, faults);
	if (run->workload->faults_around)
		measure_add(&totals->page_time, ns, pages);
	if (run->workload->write) {
		struct worker *writer = &run->workers[run->opt.threads];

		measure_add(&totals->writer, writer->ns, writer->ops);
		writer->ns = writer->ops = 0;
	}
	for (i = 0; run->counters.there && i < VMSTAT_NR; i++)
		measure_add(&totals->counters[i], run->counters.value[i],
			    faults);
}

static void add_up(struct run *run, unsigned int repetition,
		   struct totals *totals)
{
	uint64_t ns = 0, faults = 0, pages = 0;
	unsigned int i;

	for (i = 0; i < run->opt.threads; i++) {
		struct worker *worker = &run->workers[i];

		if (!run->workload->faults_around && !run->workload->write &&
		    worker->faults < worker->pages)
			fail(run, "the kernel counted %" PRIu64
			     " faults for %" PRIu64 " pages",
			     worker->faults, worker->pages);
		ns += worker->ns;
		faults += worker->faults;
		pages += worker->pages;
		if (run->measured)
			totals->refused += worker->refused;
		worker->ns = worker->faults = 0;
		worker->pages = worker->refused = 0;
	}
	printf("# repetition %u%s: %" PRIu64 " ns, %" PRIu64 " faults\n",
	       repetition, run->measured ? "" : " (discarded)", ns, faults);
	if (!faults)
		fail(run, "nothing faulted");
	else if (run->measured)
		keep(run, totals, ns, faults, pages);
	run->elapsed = 0;
	run->counters = (struct vmstat){ 0 };
}

static void report(struct run *run, struct totals *totals)
{
	uint64_t faults = totals->faults;

	measure_mean(&totals->fault_time, "fault_time", "ns/fault");
	/* Of all threads together; a coarse clock may have seen no time. */
	if (totals->ns)
		metric("fault_rate", 1e9 * run->opt.threads * (double)faults /
		       (double)totals->ns, "faults/s", faults);
	/* In a race, much is done between the faults. */
	if (!run->workload->write)
		measure_mean(&totals->fault_cost, "fault_cost", "ns/fault");
	if (run->workload->faults_around)
		measure_mean(&totals->page_time, "page_time", "ns/page");
	if (totals->refused)
		metric("refused", (double)totals->refused, "accesses",
		       totals->pages + totals->refused);
	report_samples(&run->samples);
	if (totals->writer.nr)
		measure_samples(&totals->writer, "writer_mean", true);
	measure_counters(totals->counters);
}

static void start_workers(struct run *run)
{
	unsigned int i;

	if (pthread_barrier_init(&run->barrier, NULL, run->nr_workers + 1))
		die("pthread_barrier_init failed");
	for (i = 0; i < run->nr_workers; i++)
		if (pthread_create(&run->workers[i].thread, NULL, work,
				   &run->workers[i]))
			die("cannot start thread %u", i);
}

static void stop_workers(struct run *run)
{
	unsigned int i;

	run->stop = true;
	pthread_barrier_wait(&run->barrier);
	for (i = 0; i < run->nr_workers; i++)
		pthread_join(run->workers[i].thread, NULL);
	pthread_barrier_destroy(&run->barrier);
}

static void make_workers(struct run *run)
{
	unsigned int i;

	run->nr_workers = run->opt.threads + (run->workload->write ? 1 : 0);
	run->workers = calloc(run->nr_workers, sizeof(*run->workers));
	run->samples.max = run->opt.ops *
			   (run->opt.repeat - program.discarded);
	if (run->workload->write)
		run->samples.ns = calloc(run->samples.max, sizeof(uint64_t));
	if (!run->workers || (run->workload->write && !run->samples.ns))
		die("out of memory");
	for (i = 0; i < run->nr_workers; i++) {
		struct worker *worker = &run->workers[i];

		worker->run = run;
		worker->index = i;
		worker->first = (size_t)i * run->workload->window;
		worker->random = mix(run->opt.seed + i);
		worker->buffer = aligned_alloc(run->page_size, run->page_size);
		if (!worker->buffer)
			die("out of memory");
	}
}

static void free_workers(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_workers; i++)
		free(run->workers[i].buffer);
	free(run->workers);
	free(run->samples.ns);
}

static void repeat_rounds(struct run *run, struct totals *totals)
{
	unsigned int repetition;

	start_workers(run);
	for (repetition = 0; repetition < run->opt.repeat; repetition++) {
		run->measured = repetition >= program.discarded;
		if (run->measured)
			mark(MARK_MEASURED);
		else
			mark(MARK_WARMUP);
		run_rounds(run);
		if (run->failed)
			break;
		add_up(run, repetition, totals);
	}
	stop_workers(run);
}

/* Run it and print its metrics; failed, skipped and reason say how it ended. */
void run_workload(struct run *run, const char *name)
{
	struct totals totals = { 0 };

	printf("# %s: %u threads, %lu ops, %u repetitions, seed %" PRIu64
	       ", pages of %zu bytes, clock of %" PRIu64 " ns\n", name,
	       run->opt.threads, run->opt.ops, run->opt.repeat, run->opt.seed,
	       run->page_size, clock_resolution_ns());
	fflush(stdout);
	mark(MARK_CASE);
	make_workers(run);
	if (run->workload->setup)
		run->workload->setup(run);
	if (!run->failed && !run->skipped)
		repeat_rounds(run, &totals);
	if (run->workload->teardown)
		run->workload->teardown(run);
	if (!run->failed && !run->skipped)
		report(run, &totals);
	free_workers(run);
}
