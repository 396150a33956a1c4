// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics that are given for each measured repetition, too: in exact guests two
 * kernels are compared repetition by repetition.  Totals and counts are whole
 * numbers, so that nothing is lost by rounding.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

void measure_add(struct measure *measure, uint64_t total, uint64_t count)
{
	struct part *parts = realloc(measure->parts, (measure->nr + 1) *
						     sizeof(*parts));

	if (!parts)
		die("out of memory");
	parts[measure->nr++] = (struct part){ total, count };
	measure->parts = parts;
}

static struct part sum(const struct measure *measure)
{
	struct part all = { 0, 0 };
	size_t i;

	for (i = 0; i < measure->nr; i++) {
		all.total += measure->parts[i].total;
		all.count += measure->parts[i].count;
	}
	return all;
}

/* The line for a metric that was printed; TOTAL/COUNT for a mean. */
void measure_samples(struct measure *measure, const char *name, bool mean)
{
	size_t i;

	printf("# samples %s", name);
	for (i = 0; i < measure->nr; i++) {
		printf(" %" PRIu64, measure->parts[i].total);
		if (mean)
			printf("/%" PRIu64, measure->parts[i].count);
	}
	printf("\n");
	free(measure->parts);
	*measure = (struct measure){ 0 };
}

void measure_mean(struct measure *measure, const char *name, const char *unit)
{
	struct part all = sum(measure);

	metric(name, (double)all.total / (double)all.count, unit, all.count);
	measure_samples(measure, name, true);
}

void measure_sum(struct measure *measure, const char *name, const char *unit)
{
	struct part all = sum(measure);

	metric(name, (double)all.total, unit, all.count);
	measure_samples(measure, name, false);
}

/* The per-VMA lock counters, where the kernel has them. */
void measure_counters(struct measure measures[VMSTAT_NR])
{
	size_t i;

	for (i = 0; i < VMSTAT_NR; i++)
		if (measures[i].nr)
			measure_sum(&measures[i], vmstat_names[i], "events");
}
