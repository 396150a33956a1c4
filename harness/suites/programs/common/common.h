/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our guest programs share.  These files are compiled with each program,
 * against its own program.h, which includes this one and defines
 *
 *	struct run	a case: has at least opt, page_size, round, unfinished,
 *			lock, skipped, reason and failed
 *	struct workload	has at least name and summary
 */
#ifndef COMMON_H
#define COMMON_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_THREADS 256

#define PROT_RW (PROT_READ | PROT_WRITE)
#define MAP_PRIVATE_ANON (MAP_PRIVATE | MAP_ANONYMOUS)

struct run;
struct workload;

/* What the command line says; 0 means the workload's own default. */
struct options {
	unsigned int threads;	/* that fault */
	unsigned int processes;	/* instead of threads; 0: none */
	unsigned long ops;	/* of each thread (and repetition) */
	unsigned int repeat;	/* repetitions, the discarded first included */
	uint64_t seed;
	uint64_t noise;			/* seed of disturbances; 0: none */
	const char *dir;	/* for files */
	bool own_machine;	/* settings of the whole machine may change */
};

/* What main() must know of a program. */
struct program {
	const char *command;	/* its own name */
	const char *usage;
	struct options defaults;
	unsigned int discarded;	/* repetitions; 0: there is no --repeat */
	bool may_own;		/* has --own-machine */
	bool may_fork;		/* has --processes */
	bool may_fix_layout;	/* addresses follow from the seed alone */
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

/* What each measured repetition came to: a total, over so many operations. */
struct measure {
	struct part {
		uint64_t total, count;
	} *parts;
	size_t nr;
};

/* each program's own */
extern const struct program program;
extern const struct workload *const workloads[];
extern const size_t nr_workloads;
bool run_case(const struct workload *workload, const struct options *opt,
	      unsigned int nr);	/* returns whether it is good */

/* clock.c */
bool set_clock(const char *name);
bool clock_counts(void);
uint64_t now_ns(void);
uint64_t clock_resolution_ns(void);
void settle(void);
void await_tick(void);

/* pattern.c: contents that follow from seed, page number and round */
uint64_t mix(uint64_t value);
uint64_t random_next(uint64_t *state);
void fill_page(const struct run *run, unsigned char *page, size_t number);
bool check_filled(struct run *run, const unsigned char *page, size_t number);
void touch_page(const struct run *run, unsigned char *page, size_t number);
bool read_page(struct run *run, const unsigned char *page, size_t number);
bool is_zero(const struct run *run, const unsigned char *page);
bool check_mark(struct run *run, const unsigned char *page, size_t number);
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

/* threads.c */
bool unfinished(struct run *run, bool quota_reached, bool *done);
void linger(uint64_t *random);

/* noise.c: disturbances of the schedule */
void start_noise(const struct options *opt);
void stop_noise(void);
void join_noise(unsigned int number);
void leave_noise(void);
void noise_point(void);

/* signals.c */
void catch_segv(void);

/* holes.c: memory that may be gone, or forbidden, at any moment */
extern __thread sigjmp_buf escape;
extern __thread volatile sig_atomic_t may_escape;
void allow_holes(const unsigned char *start, size_t size, bool forbidden_too);

/* userfault.c */
int open_userfault(void);
bool next_missing(int fd, uint64_t *address);

/* layout.c */
void fix_layout(char **argv);
bool layout_is_fixed(void);
void vary_layout(uint64_t seed);
size_t layout_shift(uint64_t seed);

/* line.c */
void line_up(atomic_uint *standing, unsigned int *lines, unsigned int nr);

/* measure.c: values of repetitions, to be compared one by one */
void measure_add(struct measure *measure, uint64_t total, uint64_t count);
void measure_samples(struct measure *measure, const char *name, bool mean);
void measure_mean(struct measure *measure, const char *name, const char *unit);
void measure_sum(struct measure *measure, const char *name, const char *unit);
void measure_counters(struct measure measures[VMSTAT_NR]);

/* vmstat.c */
void vmstat_read(struct vmstat *into);
bool vmstat_value(const char *name, uint64_t *value);
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
void report_counters(const struct vmstat *counters, uint64_t faults);
void report_result(const struct run *run, unsigned int number,
		   const char *name);

#endif
