// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /proc/lock_stat says of VMA locks (CONFIG_LOCK_STAT).  A class has lines
 * "NAME: numbers", one for writers and one for readers; where it was waited for
 * there are two lists after that, each below a rule: the functions that waited
 * (the contention points), and those that were waited for.
 *
 * Who waits for a VMA lock here is in mprotect, madvise or exit: a point that
 * is not in mm/ was not recorded where the lock was asked for.  The kernel does
 * not say which file a function is of, but it is linked directory by directory,
 * so that mm/ lies between the first file of mm/ and the first of fs/.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define LOCK_STAT "/proc/lock_stat"
#define KALLSYMS "/proc/kallsyms"

enum { VM_LOCK, MMAP_LOCK };
static const char *const classes[] = { [VM_LOCK] = "vm_lock",
				       [MMAP_LOCK] = "mmap_lock" };

/* Of mm/filemap.c and fs/open.c, which are the first to be linked. */
static const char *const first_of_mm[] = { "filemap_fault", "filemap_add_folio",
					   "generic_perform_write" };
static const char *const first_of_fs[] = { "filp_close", "vfs_open",
					   "do_sys_open" };

#define MOST_POINTS 16

static struct {
	bool cleared;		/* what is there is of this case */
	double acquisitions[ARRAY_SIZE(classes)];
	size_t nr;		/* contention points of VMA locks */
	struct point {
		char name[64];
		bool in_mm;
	} points[MOST_POINTS];
} state;

static bool clear_lock_stat(void)
{
	int fd = open(LOCK_STAT, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, "0", 1) == 1;

	if (fd >= 0)
		close(fd);
	return good;
}

static void find_lock_stat(struct run *run)
{
	if (access(LOCK_STAT, R_OK)) {
		skip(run, "/proc/lock_stat: %m (CONFIG_LOCK_STAT)");
		return;
	}
	memset(&state, 0, sizeof(state));
	if (run->opt.own_machine) {
		(void)change_setting("/proc/sys/kernel/lock_stat", 1);
		state.cleared = clear_lock_stat();
	}
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

/* "  NAME  COUNT  [<address>] FUNCTION+OFFSET/SIZE" */
static void add_point(const char *line)
{
	const char *at = strstr(line, ">] ");
	struct point *point = &state.points[state.nr];

	if (!at || state.nr == MOST_POINTS)
		return;
	snprintf(point->name, sizeof(point->name), "%.*s",
		 (int)strcspn(at + 3, "+ \n"), at + 3);
	state.nr++;
}

/* "      -------" */
static bool is_rule(const char *line)
{
	const char *at = line + strspn(line, " ");
	size_t length = strspn(at, "-");

	return length && at[length] == '\n';
}

static void take_line(const char *line, unsigned int *rules)
{
	double found = acquisitions(line);
	size_t i;

	if (found >= 0)
		*rules = 0;
	else if (is_rule(line))
		(*rules)++;
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		if (!strstr(line, classes[i]))
			continue;
		if (found > 0)
			state.acquisitions[i] += found;
		else if (found < 0 && i == VM_LOCK && *rules == 1)
			add_point(line);
	}
}

static bool read_lock_stat(struct run *run)
{
	FILE *file = fopen(LOCK_STAT, "r");
	unsigned int rules = 0;	/* since the last line with numbers */
	char line[512];

	if (!file) {
		fail(run, "/proc/lock_stat: %m");
		return false;
	}
	while (fgets(line, sizeof(line), file))
		take_line(line, &rules);
	fclose(file);
	return true;
}

static bool is_one_of(const char *name, const char *const *names, size_t nr)
{
	while (nr--)
		if (!strcmp(name, names[nr]))
			return true;
	return false;
}

/* A pass over all functions: what `take` makes of each. */
static bool each_function(void (*take)(const char *name, uint64_t address))
{
	FILE *file = fopen(KALLSYMS, "r");
	char line[512], name[256], type;
	uint64_t address;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%" SCNx64 " %c %255s", &address, &type,
			   name) == 3 && (type == 't' || type == 'T'))
			take(name, address);
	fclose(file);
	return true;
}

static uint64_t begin_of_mm, end_of_mm;

static void take_bound(const char *name, uint64_t address)
{
	if (is_one_of(name, first_of_mm, ARRAY_SIZE(first_of_mm)) &&
	    address < begin_of_mm)
		begin_of_mm = address;
	if (is_one_of(name, first_of_fs, ARRAY_SIZE(first_of_fs)) &&
	    address < end_of_mm)
		end_of_mm = address;
}

/* One of several of that name is enough. */
static void take_place(const char *name, uint64_t address)
{
	size_t i;

	for (i = 0; i < state.nr; i++)
		if (!strcmp(name, state.points[i].name) &&
		    address >= begin_of_mm && address < end_of_mm)
			state.points[i].in_mm = true;
}

/* Addresses are all zero for those who may not know them. */
static bool mm_is_known(void)
{
	begin_of_mm = end_of_mm = UINT64_MAX;
	return each_function(take_bound) && begin_of_mm &&
	       begin_of_mm < end_of_mm && end_of_mm != UINT64_MAX &&
	       each_function(take_place);
}

static void judge_points(struct run *run)
{
	size_t i;

	metric("vm_lock_points", (double)state.nr, "functions", 1);
	for (i = 0; i < state.nr; i++)
		printf("# waited for a VMA lock: %s\n", state.points[i].name);
	if (!state.nr)
		return;
	if (!state.cleared || !mm_is_known()) {
		printf("# whether that is in mm/ is not known\n");
		return;
	}
	for (i = 0; i < state.nr; i++) {
		const char *name = state.points[i].name;

		/* What hardly ever runs is linked apart. */
		if (state.points[i].in_mm || strstr(name, ".cold"))
			continue;
		fail(run, "/proc/lock_stat: %s waited for a VMA lock, and is not in mm/",
		     name);
		return;
	}
}

static void report_lock_stat(struct run *run)
{
	char name[64];
	size_t i;

	if (!read_lock_stat(run))
		return;
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		snprintf(name, sizeof(name), "%s_acquisitions", classes[i]);
		metric(name, state.acquisitions[i], "locks", 1);
		if (state.acquisitions[i] <= 0)
			fail(run, "/proc/lock_stat has nothing of %s",
			     classes[i]);
	}
	judge_points(run);
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
