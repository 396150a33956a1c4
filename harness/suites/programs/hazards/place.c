// SPDX-License-Identifier: GPL-2.0-or-later
/* Where and when a thread runs. */
#define _GNU_SOURCE
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "hazards.h"

#define PRIORITY 10

void sleep_ns(long ns)
{
	struct timespec time = {
		.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

unsigned int nr_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus > 0 ? (unsigned int)cpus : 1;
}

/* Without the right to it the calling thread goes on where and as it is. */
void stay_on_cpu(unsigned int index, int policy)
{
	struct sched_param param = {
		.sched_priority = policy == SCHED_FIFO ? PRIORITY : 0,
	};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(index % nr_cpus(), &set);
	sched_setaffinity(0, sizeof(set), &set);
	sched_setscheduler(0, policy, &param);
}
