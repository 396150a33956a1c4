// SPDX-License-Identifier: GPL-2.0-or-later
/* What this program is, and how a case of it is run. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

const struct program program = {
	.command = "bench",
	.usage = "usage: bench [OPTION]... WORKLOAD...\n"
		 "  --threads N    threads that work (default 1)\n"
		 "  --processes N  processes that work, instead of threads\n"
		 "  --ops N        operations of each in a repetition\n"
		 "                 (default: the workload's own)\n"
		 "  --repeat N     repetitions; the first two are checked, but\n"
		 "                 not measured (default 12, at least 3)\n"
		 "  --seed N       of contents and layout (default 1)\n"
		 "  --noise N      disturb the schedule, by this seed\n"
		 "  --clock NAME   monotonic (default), or counter: the CPU's own,\n"
		 "                 where an instruction is a nanosecond\n"
		 "  --dir DIR      where to put files (default /tmp)\n"
		 "  --list         the workloads\n",
	.defaults = { .threads = 1, .repeat = 12, .seed = 1, .dir = "/tmp" },
	.discarded = DISCARDED,
	.may_fork = true,
	.may_fix_layout = true,
};

/* Mutex and barrier work between processes as well as between threads. */
static struct run *new_run(const struct workload *workload,
			   const struct options *opt)
{
	unsigned int nr = opt->processes ? opt->processes : opt->threads;
	pthread_barrierattr_t barrier;
	pthread_mutexattr_t mutex;
	struct run *run;

	run = mmap(NULL, sizeof(*run), PROT_RW, MAP_SHARED | MAP_ANONYMOUS, -1,
		   0);
	if (run == MAP_FAILED)
		die("mmap of what tasks share: %m");
	run->workload = workload;
	run->opt = *opt;
	if (!run->opt.ops)
		run->opt.ops = workload->ops;
	run->page_size = (size_t)sysconf(_SC_PAGESIZE);
	run->nr_tasks = nr;
	if (pthread_mutexattr_init(&mutex) ||
	    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED) ||
	    pthread_mutex_init(&run->lock, &mutex) ||
	    pthread_barrierattr_init(&barrier) ||
	    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED) ||
	    pthread_barrier_init(&run->barrier, &barrier, nr + 1))
		die("cannot make a barrier");
	return run;
}

bool run_case(const struct workload *workload, const struct options *opt,
	      unsigned int nr)
{
	struct run *run = new_run(workload, opt);
	char name[64];
	bool good;

	snprintf(name, sizeof(name), "%s.%s.%u%s", workload->name,
		 opt->processes ? "processes" : "threads", run->nr_tasks,
		 opt->noise ? ".noise" : "");
	run_workload(run, name);
	report_result(run, nr, name);
	fflush(stdout);
	good = !run->failed;
	munmap(run, sizeof(*run));
	return good;
}
