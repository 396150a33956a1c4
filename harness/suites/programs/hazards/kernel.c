// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel says of VMA locks and of vm_area_struct itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hazards.h"

#define SLAB "/sys/kernel/slab/vm_area_struct/"

static const char *const geometry[] = { "object_size", "slab_size",
					"objs_per_slab", "order" };

static void find_slab(struct run *run)
{
	long value;

	if (!read_setting(SLAB "object_size", &value))
		skip(run, "%s: %m (CONFIG_SYSFS, and caches that are not merged)",
		     SLAB);
}

static void report_slab(struct run *run)
{
	long value[ARRAY_SIZE(geometry)];
	char path[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(geometry); i++) {
		snprintf(path, sizeof(path), "%s%s", SLAB, geometry[i]);
		if (!read_setting(path, &value[i]) || value[i] < 0) {
			fail(run, "%s cannot be read: %m", path);
			return;
		}
		metric(geometry[i], (double)value[i], i < 2 ? "bytes" :
		       i == 2 ? "objects" : "order", 1);
	}
	if (value[0] > value[1] ||
	    value[1] * value[2] > (long)(run->page_size << value[3]))
		fail(run, "%ld objects of %ld bytes do not fit into %zu pages",
		     value[2], value[1], (size_t)1 << value[3]);
}

const struct workload slab = {
	.name = "slab",
	.summary = "geometry of vm_area_struct's slabs",
	.ops = 1,
	.window = 1,
	.setup = find_slab,
	.report = report_slab,
};

/* --- /proc/lock_stat (CONFIG_LOCK_STAT) --- */

/* Each contended class has a line "NAME: numbers", readers with -R. */
static const char *const classes[] = { "vm_lock", "mmap_lock" };

static void find_lock_stat(struct run *run)
{
	FILE *file = fopen("/proc/lock_stat", "r");

	if (!file) {
		skip(run, "/proc/lock_stat: %m (CONFIG_LOCK_STAT)");
		return;
	}
	fclose(file);
	if (run->opt.own_machine)
		(void)change_setting("/proc/sys/kernel/lock_stat", 1);
	map_area(run);
}

/* Acquisitions are the eighth number after the name; -1: no number there. */
static double acquisitions(const char *line)
{
	const char *at = strrchr(line, ':');
	double value = -1;
	char *end;
	int i;

	if (!at)
		return -1;
	for (at++, i = 0; i < 8; i++, at = end) {
		value = strtod(at, &end);
		if (end == at)
			return -1;
	}
	return value;
}

static void report_lock_stat(struct run *run)
{
	double sum[ARRAY_SIZE(classes)] = { 0 };
	FILE *file = fopen("/proc/lock_stat", "r");
	char line[512], name[64];
	size_t i;

	if (!file) {
		fail(run, "/proc/lock_stat: %m");
		return;
	}
	while (fgets(line, sizeof(line), file))
		for (i = 0; i < ARRAY_SIZE(classes); i++) {
			double found = strstr(line, classes[i]) ?
				       acquisitions(line) : -1;

			if (found > 0)
				sum[i] += found;
		}
	fclose(file);
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		snprintf(name, sizeof(name), "%s_acquisitions", classes[i]);
		metric(name, sum[i], "locks", 1);
		if (sum[i] <= 0)
			fail(run, "/proc/lock_stat has nothing of %s",
			     classes[i]);
	}
}

static void protect_always(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker))
		if (mprotect(run->area, area_size(run), PROT_RW |
			     (worker->ops & 1 ? PROT_EXEC : 0))) {
			fail(run, "mprotect: %m");
			return;
		}
}

static void unmap_if_mapped(struct run *run)
{
	if (run->area)
		unmap_area(run);
}

const struct workload lock_stat = {
	.name = "lock-stat",
	.summary = "what /proc/lock_stat says after faults and mprotect",
	.ops = 100,
	.window = 24,
	.setup = find_lock_stat,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "mprotect", protect_always, 1, 1 },
	},
	.report = report_lock_stat,
	.teardown = unmap_if_mapped,
};
