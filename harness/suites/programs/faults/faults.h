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

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_THREADS 256

struct run;
struct worker;

/* What the command line says; 0 means the workload's own default. */
struct options {
	unsigned int threads;	/* that fault */
	unsigned long ops;	/* a thread and repetition */
	unsigned int repeat;	/* repetitions, the discarded first included */
	uint64_t seed;
	const char *dir;	/* for files */
};

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
	uint64_t span_ns;		/* start of the open span */
	uint64_t span_faults;
	uint64_t refused;		/* accesses that ended in SIGSEGV */
};

/* Latencies of the writer's operations. */
struct samples {
	uint64_t *ns;
	size_t nr;
	size_t max;
};

/* The per-VMA lock counters of /proc/vmstat, in the order of vmstat_names. */
#define VMSTAT_NR 4
extern const char *const vmstat_names[VMSTAT_NR];

struct vmstat {
	bool there;		/* false: the kernel has no such counters */
	uint64_t value[VMSTAT_NR];
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
	struct samples samples;
	struct vmstat counters;		/* sum of the measured rounds */

	pthread_mutex_t lock;		/* of the two below */
	bool skipped;
	char reason[200];		/* of the first failure, or of skipping */
	atomic_bool failed;
};

/* registry.c */
extern const struct workload *const workloads[];
extern const size_t nr_workloads;
const struct workload *find_workload(const char *name);

/* engine.c */
void run_workload(struct run *run, const char *name);
bool is_writer(const struct worker *worker);
size_t area_size(const struct run *run);
unsigned char *page_at(const struct run *run, unsigned char *base, size_t page);

/* clock.c: time and faults of the calling thread */
uint64_t now_ns(void);
uint64_t clock_resolution_ns(void);
void span_begin(struct worker *worker);
void span_end(struct worker *worker, size_t pages);

/* pattern.c: contents that follow from seed, page number and round */
uint64_t mix(uint64_t value);
uint64_t random_next(uint64_t *state);
void fill_page(const struct run *run, unsigned char *page, size_t number);
bool check_filled(struct run *run, const unsigned char *page, size_t number);
void touch_page(const struct run *run, unsigned char *page, size_t number);
bool read_page(struct run *run, const unsigned char *page, size_t number);
bool is_zero(const struct run *run, const unsigned char *page);
bool check_touched(struct run *run, const unsigned char *page, size_t number);
bool check_touched_or_zero(struct run *run, const unsigned char *page,
			   size_t number, uint64_t *found);
bool check_touched_filled(struct run *run, const unsigned char *page,
			  size_t number);
void untouch_page(const struct run *run, unsigned char *page, size_t number);

/* memory.c: calls that end in fail() */
unsigned char *map_pages(struct run *run, size_t size, int prot, int flags,
			 int fd);
void unmap_pages(struct run *run, unsigned char *address, size_t size);

/* signals.c */
void catch_segv(void);

/* vmstat.c */
void vmstat_read(struct vmstat *into);
void vmstat_add(struct vmstat *sum, const struct vmstat *before,
		const struct vmstat *after);

/* report.c: the output, in KTAP */
void fail(struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void skip(struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void metric(const char *name, double value, const char *unit, uint64_t count);
void report_samples(struct samples *samples);
void report_result(const struct run *run, unsigned int number,
		   const char *name);

#endif
