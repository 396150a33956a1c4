// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time and fault counts of one thread.  A span is the timed part of a round:
 * the clock is read inside of the fault counter, so that getrusage() is not
 * part of the time.
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "faults.h"
#include "marks.h"

/*
 * Faults the kernel completed for this thread.  One that was tried again after
 * sleeping may be counted as a major fault: both kinds are ours.
 */
static uint64_t faults_so_far(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage))
		die("getrusage: %m");
	return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

void span_begin(struct worker *worker)
{
	worker->span_faults = faults_so_far();
	worker->span_ns = now_ns();
	mark(MARK_BEGIN(0));
}

void span_end(struct worker *worker, size_t pages)
{
	mark(MARK_END(0));
	worker->span_end_ns = now_ns();
	worker->ns += worker->span_end_ns - worker->span_ns;
	worker->faults += faults_so_far() - worker->span_faults;
	worker->pages += pages;
}
