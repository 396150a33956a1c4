// SPDX-License-Identifier: GPL-2.0-or-later
/* What this program is, and how a case of it is run. */
#include <stdio.h>
#include <unistd.h>

#include "faults.h"

const struct program program = {
	.command = "faults",
	.usage = "usage: faults [OPTION]... WORKLOAD...\n"
		 "  --threads N  faulting threads (default 1)\n"
		 "  --ops N      operations of each thread in a repetition\n"
		 "               (default: the workload's own)\n"
		 "  --repeat N   repetitions; the first is verified, but not\n"
		 "               measured (default 3, at least 2)\n"
		 "  --seed N     of contents and random choices (default 1)\n"
		 "  --noise N    disturb the schedule, by this seed\n"
		 "  --clock NAME monotonic (default), or counter: the CPU's own,\n"
		 "               where an instruction is a nanosecond\n"
		 "  --dir DIR    where to put files (default /tmp)\n"
		 "  --list       the workloads\n",
	.defaults = { .threads = 1, .repeat = 3, .seed = 1, .dir = "/tmp" },
	.discarded = 1,
	.may_fix_layout = true,
};

bool run_case(const struct workload *workload, const struct options *opt,
	      unsigned int nr)
{
	struct run run = {
		.workload = workload,
		.opt = *opt,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	char name[64];

	if (!run.opt.ops)
		run.opt.ops = workload->ops;
	/* A race is named after what is done around the faulting threads. */
	if (workload->write)
		snprintf(name, sizeof(name), "%s", workload->name);
	else
		snprintf(name, sizeof(name), "%s.%u", workload->name,
			 opt->threads);
	run_workload(&run, name);
	report_result(&run, nr, name);
	fflush(stdout);
	return !run.failed;
}
