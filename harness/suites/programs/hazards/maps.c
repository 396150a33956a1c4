// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readers of /proc/self/maps and smaps while VMAs are faulted in, split,
 * merged and named.  The area is mapped all the time: its lines must cover it,
 * with permissions and names that it had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hazards.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define TEXT_SIZE (1u << 18)
#define NAMES 4

static const char *const names[NAMES] = { "hazards-a", "hazards-bb",
					  "hazards-ccc", "hazards-dddd" };

/* The whole file, in reads of one page as other readers do. */
static bool read_text(struct run *run, const char *path, char *text)
{
	size_t have = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fail(run, "open of %s: %m", path);
		return false;
	}
	do {
		got = read(fd, text + have, run->page_size);
		if (got > 0)
			have += (size_t)got;
		alive(run);
	} while (got > 0 && have + run->page_size < TEXT_SIZE);
	if (got)
		fail(run, "read of %s: %s", path, got < 0 ? strerror(errno) :
		     "more than this program ever maps");
	text[have] = '\0';
	close(fd);
	return !got;
}

static bool name_is_known(const char *line)
{
	const char *at = strstr(line, "[anon:");
	size_t i, length;

	if (!at)
		return true;
	at += strlen("[anon:");
	length = strcspn(at, "]\n");
	for (i = 0; i < NAMES; i++)
		if (strlen(names[i]) == length && !strncmp(at, names[i], length))
			return true;
	return false;
}

static bool is_as_made(const char *line, const char *prot)
{
	return !strncmp(prot, "rw", 2) && name_is_known(line);
}

static void read_always(struct worker *worker)
{
	struct run *run = worker->run;
	char *text = malloc(TEXT_SIZE);

	if (!text)
		die("out of memory");
	while (going(worker)) {
		const char *path = worker->ops % 4 ? "/proc/self/maps" :
						     "/proc/self/smaps";

		if (!read_text(run, path, text) ||
		    !lines_cover(run, path, text, run->area, area_size(run),
				 is_as_made))
			break;
	}
	free(text);
}

const struct workload maps = {
	.name = "maps",
	.summary = "readers of /proc/self/maps while VMAs split and merge",
	.ops = 60,
	.window = 24,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 3 },
		{ "read", read_always, 1, 3 },
		{ "mprotect", protect_at_random, 1, 1 },
	},
	.teardown = unmap_area,
};

static bool set_name(const struct range *range, const char *name)
{
	return !prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, range->start,
		      range->size, name);
}

static void map_area_to_name(struct run *run)
{
	struct range all;

	map_area(run);
	all.start = run->area;
	all.size = area_size(run);
	if (!run->failed && !set_name(&all, names[0]))
		skip(run, "PR_SET_VMA_ANON_NAME: %m (CONFIG_ANON_VMA_NAME)");
}

static void name_always(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		uint64_t which = random_next(&worker->random) % (NAMES + 1);
		uint64_t begin = now_ns();

		if (!set_name(&range, which < NAMES ? names[which] : NULL)) {
			fail(run, "PR_SET_VMA_ANON_NAME of page %zu: %m",
			     range.first);
			return;
		}
		sample(run, now_ns() - begin);
	}
}

const struct workload naming = {
	.name = "name",
	.summary = "VMAs named while they are faulted in and listed",
	.ops = 60,
	.window = 24,
	.setup = map_area_to_name,
	.roles = {
		{ "fault", fault_strictly, 0, 3 },
		{ "read", read_always, 1, 3 },
		{ "name", name_always, 1, 1 },
	},
	.teardown = unmap_area,
};
