// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel says of vm_area_struct itself. */
#define _GNU_SOURCE
#include <stdio.h>

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
