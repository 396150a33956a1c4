// SPDX-License-Identifier: GPL-2.0-or-later
/* Failures, and the lines that the harness reads (docs/faults.md). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

static void keep_reason(struct run *run, const char *format, va_list args)
{
	char *c;

	vsnprintf(run->reason, sizeof(run->reason), format, args);
	/* A reason is the rest of one line, after a '#'. */
	for (c = run->reason; *c; c++)
		if (*c == '\n' || *c == '#')
			*c = ' ';
}

/* The first failure is kept; any thread may call it. */
void fail(struct run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&run->lock);
	if (!run->failed) {
		keep_reason(run, format, args);
		run->failed = true;
	}
	pthread_mutex_unlock(&run->lock);
	va_end(args);
}

/* Only from setup. */
void skip(struct run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep_reason(run, format, args);
	run->skipped = true;
	va_end(args);
}

/* The program itself cannot go on: nothing is said about the kernel. */
void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("Bail out! ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_Exit(3);
}

void metric(const char *name, double value, const char *unit, uint64_t count)
{
	printf("# metric %s %.3f %s %" PRIu64 "\n", name, value, unit, count);
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank: a value that was measured, never one in between. */
static double percentile(const struct samples *samples, unsigned int percent)
{
	size_t rank = (samples->nr * percent + 99) / 100;

	return (double)samples->ns[rank ? rank - 1 : 0];
}

void report_samples(struct samples *samples)
{
	double sum = 0;
	size_t i;

	if (!samples->nr)
		return;
	qsort(samples->ns, samples->nr, sizeof(*samples->ns), compare_ns);
	for (i = 0; i < samples->nr; i++)
		sum += (double)samples->ns[i];
	metric("writer_mean", sum / (double)samples->nr, "ns/op", samples->nr);
	metric("writer_p50", percentile(samples, 50), "ns/op", samples->nr);
	metric("writer_p99", percentile(samples, 99), "ns/op", samples->nr);
	metric("writer_max", percentile(samples, 100), "ns/op", samples->nr);
}

void report_counters(const struct vmstat *counters, uint64_t faults)
{
	size_t i;

	for (i = 0; counters->there && i < VMSTAT_NR; i++)
		metric(vmstat_names[i], (double)counters->value[i], "events",
		       faults);
}

void report_result(const struct run *run, unsigned int number,
		   const char *name)
{
	if (run->failed)
		printf("not ok %u - %s # %s\n", number, name, run->reason);
	else if (run->skipped)
		printf("ok %u - %s # SKIP %s\n", number, name, run->reason);
	else
		printf("ok %u - %s\n", number, name);
}
