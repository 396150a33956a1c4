/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hazards: what is known to go wrong around per-VMA locks, provoked.
 *
 * A case is either a cast of threads that act at the same time, in roles, or
 * one function that starts processes:
 *
 *	setup -> every worker: act -> report -> teardown
 *	setup -> alone -> report -> teardown
 *
 * A worker acts while going() says so: until every one with a quota has done
 * its share of --ops.  Every operation is a sign of life; a worker that gives
 * none for STALL_S seconds, whatever the others do, makes the watchdog fail
 * the case and end the program.
 */
#ifndef HAZARDS_H
#define HAZARDS_H

#include <sys/types.h>

#include "common.h"

#define MAX_ROLES 4

/*
 * The only time there is in this program: it decides nothing about work, only
 * when hope is given up.  The slowest operation takes a second under emulation.
 */
#define STALL_S 40
/* Of time that is counted in instructions (--noise): ten thousand million. */
#define NOISY_STALL_S 10

/* Where nothing is mapped unless asked for: far from what mmap() chooses. */
#define LONELY_PLACE 0x1000000000ul

struct worker;

struct role {
	const char *name;
	void (*act)(struct worker *worker);
	unsigned int threads;	/* of it; 0: --threads */
	unsigned int every;	/* quota is --ops / every; 0: no quota */
};

/* Every hook may be NULL; hooks report with fail(), setup also with skip(). */
struct workload {
	const char *name;
	const char *summary;
	unsigned long ops;		/* default of --ops */
	unsigned int window;		/* pages of a thread's stripe */
	unsigned int stride;		/* pages from stripe to stripe; 0: window */
	void (*setup)(struct run *run);
	struct role roles[MAX_ROLES];
	void (*alone)(struct run *run);
	void (*report)(struct run *run);
	void (*teardown)(struct run *run);
};

struct worker {
	struct run *run;
	const struct role *role;
	unsigned int index;		/* among those of its role */
	pthread_t thread;
	size_t first;			/* page number of its stripe */
	uint64_t random;		/* state of its random numbers */
	unsigned char *buffer;		/* one page, its own */
	atomic_ulong ops;
	unsigned long turn;		/* contents differ from turn to turn */
	unsigned long quota;		/* 0: none */
	bool done;			/* the quota was reported */
	atomic_bool left;		/* it acts no more */
	uint64_t refused;		/* accesses that ended in SIGSEGV */
};

/* What survives fork() and is seen by parent and children alike. */
struct shared {
	atomic_ulong progress;
	atomic_int failed;		/* a child has filled in `reason` */
	char reason[200];
};

struct run {
	const struct workload *workload;
	struct options opt;
	const char *name;		/* of the case */
	unsigned int number;
	size_t page_size;
	atomic_ulong round;		/* stays 0 here */
	unsigned int nr_workers;
	struct worker *workers;
	pthread_barrier_t barrier;
	atomic_int unfinished;		/* workers below their quota */
	atomic_int acting;		/* workers with a quota, still in act() */
	struct shared *shared;

	unsigned char *area;		/* what is touched */
	unsigned char *mirror;		/* another place */
	int fd;

	struct samples samples;
	atomic_size_t next_sample;
	uint64_t operations;

	pthread_mutex_t lock;		/* of the two below */
	bool skipped;
	char reason[200];		/* of the first failure, or of skipping */
	atomic_bool failed;
};

/* A part of the area. */
struct range {
	size_t first;			/* page number */
	size_t pages;
	unsigned char *start;
	size_t size;
};

/* engine.c */
bool going(struct worker *worker);
void alive(struct run *run);
void sample(struct run *run, uint64_t ns);
size_t stride(const struct run *run);
size_t area_pages(const struct run *run);
size_t area_size(const struct run *run);
unsigned char *page_at(const struct run *run, unsigned char *base, size_t page);

/* place.c */
void sleep_ns(long ns);
unsigned int nr_cpus(void);
void stay_on_cpu(unsigned int index, int policy);

/* watchdog.c */
void start_watchdog(struct run *run);
void stop_watchdog(void);

/* faulter.c: threads that fault in their stripe and verify it */
void map_area(struct run *run);
void map_area_with_holes(struct run *run);
void map_area_forbidding(struct run *run);
void unmap_area(struct run *run);
void fault_strictly(struct worker *worker);
void fault_leniently(struct worker *worker);
bool fault_once(struct worker *worker, unsigned char *base, bool may_vanish);
void drop_stripe(struct worker *worker, unsigned char *base);
struct range random_range(struct worker *worker, size_t first, size_t pages);
void protect_at_random(struct worker *worker);
bool map_over(struct run *run, const struct range *range, int prot, int flags);

/* lines.c: whether lines of maps cover what is mapped, and are right */
bool lines_cover(struct run *run, const char *path, const char *text,
		 const unsigned char *from, size_t size,
		 bool (*is_right)(const char *line, const char *prot));

/* child.c: processes */
pid_t start_child(struct run *run, void (*body)(struct run *, unsigned int),
		  unsigned int number);
void leave(struct run *run) __attribute__((noreturn));
bool collect(struct run *run, pid_t pid, int allowed_signal);

/* settings.c: files of one number */
bool read_setting(const char *path, long *value);
bool change_setting(const char *path, long value);
void put_settings_back(void);

#endif
