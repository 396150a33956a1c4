/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench: what page faults and mappings cost, in the shapes that benchmarks of
 * the field have, written anew.  All contents are checked.
 *
 * A case runs a workload in tasks (threads, or processes) and in repetitions:
 *
 *	main: open -> tasks: prepare, line up, work (timed), line up, check
 *	     -> main: close
 *
 * Tasks run freely while they work.  The first DISCARDED repetitions are
 * checked like the others and left out of every metric: they fill the kernel's
 * caches, and the program's own memory.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sys/types.h>

#include "common.h"

#define DISCARDED 2

struct task;

/*
 * Every hook but work may be NULL.  Hooks report with fail(); a repetition is
 * then still ended in order, and no other begins.
 */
struct workload {
	const char *name;
	const char *summary;
	unsigned long ops;		/* default of --ops */
	unsigned int window;		/* pages of a task's mapping */
	const char *cost, *unit;	/* what its elapsed time is called */
	int mapping;			/* flags of mmap, where there is a choice */
	bool times_faults;		/* its work takes the time of faults */

	void (*setup)(struct run *run);		/* may call skip() */
	void (*open)(struct run *run);
	void (*prepare)(struct task *task);
	void (*work)(struct task *task);
	void (*check)(struct task *task);
	void (*close)(struct run *run);
	void (*teardown)(struct run *run);
};

/* A thread or process; what it counts is that of a repetition's work. */
struct task {
	struct run *run;
	unsigned int index;
	pthread_t thread;
	pid_t process;
	unsigned int lines;		/* that it stood in */

	size_t first;			/* number of its first page */
	unsigned char *place;		/* where it may map memory */
	int fd;				/* its file; -1: none */
	unsigned char *buffer;		/* one page, its own */
	void *state;			/* the workload's */

	uint64_t begin, end;		/* ns, of the clock that all share */
	uint64_t faults;		/* as the kernel counted them */
	uint64_t switches;		/* of context, of both kinds */
	uint64_t fault_ns;		/* while it touched pages */
	uint64_t pages;			/* that it touched, each a fault */
	uint64_t ops;			/* that it did */
};

/* Shared by all tasks, also where they are processes. */
struct run {
	const struct workload *workload;
	struct options opt;
	size_t page_size;
	atomic_ulong round;		/* the repetition, from 0 */
	unsigned int nr_tasks;
	pthread_barrier_t barrier;	/* of tasks and main */
	atomic_uint in_line;		/* tasks, of all lines together */
	bool stop;

	unsigned char *area;		/* a mapping of all tasks */
	atomic_int unfinished;		/* for common code */

	pthread_mutex_t lock;		/* of the two below */
	bool skipped;
	char reason[200];		/* of the first failure, or of skipping */
	atomic_bool failed;

	struct task tasks[MAX_THREADS];
};

/* engine.c */
void run_workload(struct run *run, const char *name);

/* task.c */
void start_tasks(struct run *run);
void end_tasks(struct run *run);
void meet(struct run *run);

/* file.c: files of tasks */
void make_files(struct run *run);
void close_files(struct run *run);
bool write_file(struct task *task, size_t n);
bool read_file(struct task *task, size_t n);

/* place.c: memory of a task */
size_t window_size(const struct run *run);
unsigned char *page_at(const struct run *run, unsigned char *base, size_t page);
unsigned char *task_place(const struct run *run, unsigned int index);
unsigned char *map_at(struct run *run, unsigned char *place, size_t size,
		      int prot, int flags, int fd);

#endif
