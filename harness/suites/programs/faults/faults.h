/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults: page-fault workloads with verified contents.
 *
 * A case runs a workload in repetitions, a repetition in rounds.  In a round
 * every faulting thread touches its own stripe of up to `window` pages:
 *
 *	main: open -> workers: touch (timed) -> main: settle
 *	     -> workers: verify -> main: close
 *
 * Repetition 0 is verified like the others and left out of every metric.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "common.h"

struct worker;

/*
 * Every hook but touch may be NULL.  Hooks report with fail(); the round is
 * then still ended in order, and nothing else is started.
 */
struct workload {
	const char *name;
	const char *summary;
	unsigned long ops;		/* default of --ops */
	unsigned int window;		/* pages of a stripe */
	bool faults_around;		/* one fault may map several pages */
	bool sleeps;			/* until a thread of its own has acted */

	void (*setup)(struct run *run);		/* may call skip() */
	void (*open)(struct run *run);
	void (*touch)(struct worker *worker);
	void (*settle)(struct run *run);
	void (*verify)(struct worker *worker);
	void (*close)(struct run *run);
	void (*teardown)(struct run *run);

	/* The thread that changes mappings under the others: makes it a race. */
	void (*write)(struct worker *worker);
};

/* A thread of a run: it faults in [first, first + run->count), or it writes. */
struct worker {
	struct run *run;
	unsigned int index;
	pthread_t thread;
	size_t first;			/* page number of its stripe */
	unsigned char *buffer;		/* one page, its own */
	uint64_t random;		/* state of its random numbers */
	uint64_t ns;			/* timed, in this repetition */
	uint64_t faults;		/* as the kernel counted them */
	uint64_t pages;			/* that it touched while timed */
	uint64_t ops;			/* of a writer, timed */
	unsigned int lines;		/* that it stood in */
	uint64_t span_ns;		/* start of the last span */
	uint64_t span_end_ns;
	uint64_t span_faults;
	uint64_t refused;		/* accesses that ended in SIGSEGV */
};

struct run {
	const struct workload *workload;
	struct options opt;
	size_t page_size;
	size_t count;			/* pages of each stripe in this round */
	atomic_ulong round;		/* from 0, through all repetitions */
	unsigned int nr_workers;	/* with the writer, who is the last one */
	struct worker *workers;
	pthread_barrier_t barrier;
	bool stop;
	bool measured;			/* this repetition counts */

	unsigned char *area;		/* what is touched */
	unsigned char *mirror;		/* another view of it */
	int fd;

	atomic_int unfinished;		/* race: workers below their quota */
	atomic_uint in_line;		/* workers, of all lines together */
	uint64_t elapsed;		/* ns of the spans of all together */
	struct vmstat counters;		/* around the timed parts */
	struct samples samples;

	pthread_mutex_t lock;		/* of the two below */
	bool skipped;
	char reason[200];		/* of the first failure, or of skipping */
	atomic_bool failed;
};

/* engine.c */
void run_workload(struct run *run, const char *name);
bool is_writer(const struct worker *worker);
size_t area_size(const struct run *run);
unsigned char *page_at(const struct run *run, unsigned char *base, size_t page);

/* span.c: time and faults of the calling thread */
void span_begin(struct worker *worker);
void span_end(struct worker *worker, size_t pages);

/* stripe.c: hooks that most workloads have in common */
void touch_pages(struct worker *worker);
void read_pages(struct worker *worker);
void verify_touched(struct worker *worker);
void verify_touched_mirror(struct worker *worker);
void verify_touched_filled(struct worker *worker);
void verify_filled(struct worker *worker);

#endif
