// SPDX-License-Identifier: GPL-2.0-or-later
/* Time: that of the kernel's monotonic clock. */
#define _GNU_SOURCE
#include <time.h>

#include "program.h"

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A kernel without a good clock source counts ticks, of some milliseconds. */
uint64_t clock_resolution_ns(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC, &tick);
	return (uint64_t)tick.tv_sec * 1000000000u + (uint64_t)tick.tv_nsec;
}
