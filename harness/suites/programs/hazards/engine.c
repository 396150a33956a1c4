// SPDX-License-Identifier: GPL-2.0-or-later
/* The threads of a case, and what came of it. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hazards.h"

/* More are not kept: percentiles do not change any more. */
#define MAX_SAMPLES 20000

size_t stride(const struct run *run)
{
	const struct workload *workload = run->workload;

	return workload->stride ? workload->stride : workload->window;
}

size_t area_pages(const struct run *run)
{
	return run->opt.threads * stride(run);
}

size_t area_size(const struct run *run)
{
	return area_pages(run) * run->page_size;
}

unsigned char *page_at(const struct run *run, unsigned char *base, size_t page)
{
	return base + page * run->page_size;
}

void alive(struct run *run)
{
	run->shared->progress++;
}

/* Before each operation: whether there is to be one. */
bool going(struct worker *worker)
{
	struct run *run = worker->run;
	bool reached = worker->quota && worker->ops >= worker->quota;

	if (!unfinished(run, reached, &worker->done))
		return false;
	worker->ops++;
	alive(run);
	return true;
}

void sample(struct run *run, uint64_t ns)
{
	size_t at = run->next_sample++;

	if (at < run->samples.max)
		run->samples.ns[at] = ns;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;

	join_noise((unsigned int)(worker - run->workers));
	pthread_barrier_wait(&run->barrier);
	worker->role->act(worker);
	leave_noise();
	if (!worker->done && worker->quota)
		run->unfinished--;	/* it gave up after a failure */
	worker->left = true;
	if (worker->quota)
		run->acting--;
	return NULL;
}

static unsigned int threads_of(const struct run *run, const struct role *role)
{
	if (!role->act)
		return 0;
	return role->threads ? role->threads : run->opt.threads;
}

static void make_worker(struct run *run, unsigned int at,
			const struct role *role, unsigned int index)
{
	struct worker *worker = &run->workers[at];

	worker->run = run;
	worker->role = role;
	worker->index = index;
	worker->first = index * stride(run);
	worker->random = mix(run->opt.seed + at * 977);
	worker->buffer = aligned_alloc(run->page_size, run->page_size);
	if (!worker->buffer)
		die("out of memory");
	if (role->every) {
		worker->quota = run->opt.ops / role->every;
		if (!worker->quota)
			worker->quota = 1;
		run->unfinished++;
		run->acting++;
	}
}

static void make_workers(struct run *run)
{
	const struct role *roles = run->workload->roles;
	unsigned int i, index, at = 0;

	for (i = 0; i < MAX_ROLES; i++)
		run->nr_workers += threads_of(run, &roles[i]);
	run->workers = calloc(run->nr_workers + 1, sizeof(*run->workers));
	run->samples.max = MAX_SAMPLES;
	run->samples.ns = calloc(run->samples.max, sizeof(uint64_t));
	if (!run->workers || !run->samples.ns)
		die("out of memory");
	for (i = 0; i < MAX_ROLES; i++)
		for (index = 0; index < threads_of(run, &roles[i]); index++)
			make_worker(run, at++, &roles[i], index);
}

static void free_workers(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_workers; i++)
		free(run->workers[i].buffer);
	free(run->workers);
	free(run->samples.ns);
}

static void act(struct run *run)
{
	unsigned int i;

	if (!run->nr_workers)
		return;
	if (pthread_barrier_init(&run->barrier, NULL, run->nr_workers))
		die("pthread_barrier_init failed");
	for (i = 0; i < run->nr_workers; i++)
		if (pthread_create(&run->workers[i].thread, NULL, work,
				   &run->workers[i]))
			die("cannot start thread %u", i);
	for (i = 0; i < run->nr_workers; i++)
		pthread_join(run->workers[i].thread, NULL);
	pthread_barrier_destroy(&run->barrier);
}

/* Faults of this process and of its children that have ended. */
static uint64_t faults_so_far(void)
{
	static const int who[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	struct rusage usage;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(who); i++) {
		if (getrusage(who[i], &usage))
			die("getrusage: %m");
		sum += (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
	}
	return sum;
}

/* Also of a case that failed: how much it took to find that. */
static void report_operations(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_workers; i++)
		run->operations += run->workers[i].ops;
	if (run->operations)
		metric("operations", (double)run->operations, "ops",
		       run->operations);
}

static void report(struct run *run, const struct vmstat *before,
		   const struct vmstat *after, uint64_t faults)
{
	struct vmstat counters = { 0 };
	uint64_t refused = 0;
	unsigned int i;

	for (i = 0; i < run->nr_workers; i++)
		refused += run->workers[i].refused;
	if (refused)
		metric("refused", (double)refused, "accesses", refused);
	run->samples.nr = run->next_sample < run->samples.max ?
			  run->next_sample : run->samples.max;
	report_samples(&run->samples);
	if (run->workload->report)
		run->workload->report(run);
	vmstat_add(&counters, before, after);
	if (faults)
		report_counters(&counters, faults);
}

static void perform(struct run *run)
{
	const struct workload *workload = run->workload;
	struct vmstat before, after;
	uint64_t faults;

	if (workload->setup)
		workload->setup(run);
	if (run->failed || run->skipped)
		return;
	faults = faults_so_far();
	vmstat_read(&before);
	if (workload->alone)
		workload->alone(run);
	act(run);
	vmstat_read(&after);
	faults = faults_so_far() - faults;
	report_operations(run);
	if (!run->failed && !run->skipped)
		report(run, &before, &after, faults);
}

/* Run it and print its metrics; failed, skipped and reason say how it ended. */
static void run_workload(struct run *run)
{
	printf("# %s: %u threads, %lu ops, seed %" PRIu64
	       ", pages of %zu bytes\n", run->name, run->opt.threads,
	       run->opt.ops, run->opt.seed, run->page_size);
	fflush(stdout);
	run->shared = mmap(NULL, run->page_size, PROT_RW,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->shared == MAP_FAILED)
		die("mmap: %m");
	make_workers(run);
	start_watchdog(run);
	perform(run);
	if (run->workload->teardown)
		run->workload->teardown(run);
	put_settings_back();
	stop_watchdog();
	free_workers(run);
	munmap(run->shared, run->page_size);
}

bool run_case(const struct workload *workload, const struct options *opt,
	      unsigned int nr)
{
	char name[64];
	struct run run = {
		.workload = workload,
		.opt = *opt,
		.name = name,
		.number = nr,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	if (!run.opt.ops)
		run.opt.ops = workload->ops;
	snprintf(name, sizeof(name), "%s.%u", workload->name, opt->threads);
	run_workload(&run);
	report_result(&run, nr, name);
	fflush(stdout);
	return !run.failed;
}
