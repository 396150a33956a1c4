// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UFFDIO_MOVE from one half of a mapping to its other half and back: source
 * and destination may be one VMA, which the kernel then locks once, or two,
 * for another thread splits and merges them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"
#include "uffdmove.h"

static size_t half(const struct run *run)
{
	return run->workload->window / 2;
}

/* The first half of each stripe is filled, the second is not there. */
static void fill_halves(struct run *run)
{
	size_t n;

	for (n = 0; n < area_pages(run); n++)
		if (n % run->workload->window < half(run))
			fill_page(run, page_at(run, run->area, n), n);
}

static void register_filled(struct run *run)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_MOVE };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	run->fd = open_userfault();
	if (run->fd < 0) {
		skip(run, "userfaultfd is not available: %m");
		return;
	}
	if (ioctl(run->fd, UFFDIO_API, &api)) {
		if (errno == EINVAL)
			skip(run, "this kernel has no UFFDIO_MOVE");
		else
			fail(run, "UFFDIO_API: %m");
		return;
	}
	map_area(run);
	if (run->failed)
		return;
	fill_halves(run);
	reg.range.start = (uintptr_t)run->area;
	reg.range.len = area_size(run);
	if (ioctl(run->fd, UFFDIO_REGISTER, &reg))
		fail(run, "UFFDIO_REGISTER: %m");
}

static void unregister_area(struct run *run)
{
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	if (run->area)
		unmap_area(run);
}

static bool move_page(struct worker *worker, size_t from, size_t to)
{
	struct run *run = worker->run;
	struct move_request request = {
		.dst = (uintptr_t)page_at(run, run->area, to),
		.src = (uintptr_t)page_at(run, run->area, from),
		.len = run->page_size,
	};

	while (ioctl(run->fd, IOCTL_MOVE, &request)) {
		if (errno != EAGAIN && errno != EBUSY) {
			fail(run, "UFFDIO_MOVE of page %zu: %m", from);
			return false;
		}
		worker->refused++;
	}
	return true;
}

static void move_to_and_fro(struct worker *worker)
{
	struct run *run = worker->run;
	size_t n, end = worker->first + half(run);

	while (going(worker)) {
		bool there = worker->ops % 2;

		for (n = worker->first; n < end; n++) {
			size_t from = there ? n : n + half(run);
			size_t to = there ? n + half(run) : n;

			if (!move_page(worker, from, to) ||
			    !check_filled(run, page_at(run, run->area, to), n))
				return;
		}
	}
}

/* A flag that changes nothing for anybody here, but splits and merges VMAs. */
static void split_and_merge(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));

		if (madvise(range.start, range.size, MADV_DONTFORK) ||
		    madvise(range.start, range.size, MADV_DOFORK)) {
			fail(run, "madvise(MADV_DONTFORK) of page %zu: %m",
			     range.first);
			return;
		}
		linger(&worker->random);
	}
}

const struct workload uffd_within = {
	.name = "uffd.within",
	.summary = "UFFDIO_MOVE within one VMA, which splits and merges",
	.ops = 20,
	.window = 16,
	.setup = register_filled,
	.roles = {
		{ "UFFDIO_MOVE", move_to_and_fro, 0, 1 },
		{ "split", split_and_merge, 1, 1 },
	},
	.teardown = unregister_area,
};
