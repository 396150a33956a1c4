// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the kernel is entered, and where it changes tasks: a file with lines
 *
 *	KIND START END		hexadecimal; END is the first address behind
 *
 * KIND is f (fault), t (trap), i (interrupt) or s (the switch of tasks).
 * Lines do not overlap.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "counting.h"

struct range {
	uint64_t start, end;
	char kind;
};

static struct range *ranges;
static size_t nr_ranges;

static int compare(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

void read_entries(const char *path)
{
	FILE *file = fopen(path, "r");
	struct range range;

	if (!file)
		give_up("the file of entries cannot be read");
	while (fscanf(file, " %c %" SCNx64 " %" SCNx64, &range.kind,
		      &range.start, &range.end) == 3) {
		ranges = grow(ranges, (nr_ranges + 1) * sizeof(*ranges));
		ranges[nr_ranges++] = range;
	}
	if (!feof(file))
		give_up("the file of entries is damaged");
	fclose(file);
	qsort(ranges, nr_ranges, sizeof(*ranges), compare);
}

static char kind_at(uint64_t address)
{
	size_t low = 0, high = nr_ranges;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (address < ranges[middle].start)
			high = middle;
		else if (address >= ranges[middle].end)
			low = middle + 1;
		else
			return ranges[middle].kind;
	}
	return 0;
}

enum entry_kind entry_at(uint64_t address)
{
	switch (kind_at(address)) {
	case 'f':
		return FAULT;
	case 't':
		return TRAP;
	case 'i':
		return INTERRUPT;
	default:
		return NO_ENTRY;
	}
}

bool in_switch(uint64_t address)
{
	return kind_at(address) == 's';
}
