// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that user space brings (UFFDIO_COPY, _ZEROPAGE, _MOVE), while another
 * thread splits and merges the VMAs they go to and come from.  The kernel
 * takes the lock of one VMA for the first two, of both for a move.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"
#include "uffdmove.h"

#define POLL_MS 20

static void register_area(struct run *run, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	run->fd = open_userfault();
	if (run->fd < 0) {
		skip(run, "userfaultfd is not available: %m");
		return;
	}
	if (ioctl(run->fd, UFFDIO_API, &api)) {
		if (features && errno == EINVAL)
			skip(run, "this kernel has no UFFDIO_MOVE");
		else
			fail(run, "UFFDIO_API: %m");
		return;
	}
	map_area(run);
	run->mirror = map_pages(run, area_size(run), PROT_RW, MAP_PRIVATE_ANON,
				-1);
	if (run->failed)
		return;
	reg.range.start = (uintptr_t)run->area;
	reg.range.len = area_size(run);
	if (ioctl(run->fd, UFFDIO_REGISTER, &reg))
		fail(run, "UFFDIO_REGISTER: %m");
}

static void register_plain(struct run *run)
{
	register_area(run, 0);
}

static void register_moving(struct run *run)
{
	register_area(run, FEATURE_MOVE);
}

static void unregister_area(struct run *run)
{
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	unmap_area(run);
	unmap_pages(run, run->mirror, area_size(run));
	run->mirror = NULL;
}

static int copy_page(struct worker *worker, size_t n)
{
	struct run *run = worker->run;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page_at(run, run->area, n),
		.src = (uintptr_t)worker->buffer,
		.len = run->page_size,
	};

	fill_page(run, worker->buffer, n);
	return ioctl(run->fd, UFFDIO_COPY, &copy);
}

static int zero_page(struct worker *worker, size_t n)
{
	struct run *run = worker->run;
	struct uffdio_zeropage zero = {
		.range.start = (uintptr_t)page_at(run, run->area, n),
		.range.len = run->page_size,
	};

	return ioctl(run->fd, UFFDIO_ZEROPAGE, &zero);
}

static int move_page(struct worker *worker, size_t n)
{
	struct run *run = worker->run;
	struct move_request request = {
		.dst = (uintptr_t)page_at(run, run->area, n),
		.src = (uintptr_t)page_at(run, run->mirror, n),
		.len = run->page_size,
	};
	int error;

	fill_page(run, page_at(run, run->mirror, n), n);
	error = ioctl(run->fd, IOCTL_MOVE, &request);
	if (!error && !is_zero(run, page_at(run, run->mirror, n)))
		fail(run, "page %zu is still where it was moved from", n);
	return error;
}

static void wake(struct run *run, size_t n)
{
	struct uffdio_range range = {
		.start = (uintptr_t)page_at(run, run->area, n),
		.len = run->page_size,
	};

	if (ioctl(run->fd, UFFDIO_WAKE, &range))
		die("UFFDIO_WAKE of page %zu: %m", n);
}

/* On an error the faulting thread would sleep for ever: end the program. */
static void bring(struct worker *worker, size_t n,
		  int (*bring_page)(struct worker *, size_t))
{
	uint64_t begin = now_ns();

	while (bring_page(worker, n)) {
		if (errno == EEXIST) {	/* asked for twice */
			wake(worker->run, n);
			return;
		}
		if (errno != EAGAIN && errno != EBUSY)
			die("%s of page %zu: %m", worker->role->name, n);
		worker->refused++;
	}
	sample(worker->run, now_ns() - begin);
}

static void serve(struct worker *worker,
		  int (*bring_page)(struct worker *, size_t))
{
	struct run *run = worker->run;
	struct pollfd fds = { .fd = run->fd, .events = POLLIN };
	uint64_t address;

	/* Those that wait for a page are among the acting. */
	while (run->acting) {
		if (poll(&fds, 1, POLL_MS) <= 0 ||
		    !next_missing(run->fd, &address))
			continue;
		worker->ops++;
		bring(worker, (address - (uintptr_t)run->area) / run->page_size,
		      bring_page);
	}
}

static void serve_copies(struct worker *worker)
{
	serve(worker, copy_page);
}

static void serve_zeroes(struct worker *worker)
{
	serve(worker, zero_page);
}

static void serve_moves(struct worker *worker)
{
	serve(worker, move_page);
}

static void read_always(struct worker *worker, bool filled)
{
	struct run *run = worker->run;
	size_t n, end = worker->first + run->workload->window;

	while (going(worker)) {
		for (n = worker->first; n < end; n++) {
			unsigned char *page = page_at(run, run->area, n);

			if (filled ? check_filled(run, page, n) :
				     is_zero(run, page))
				continue;
			fail(run, "page %zu is not what was brought", n);
			return;
		}
		drop_stripe(worker, run->area);
	}
}

static void read_filled(struct worker *worker)
{
	read_always(worker, true);
}

static void read_empty(struct worker *worker)
{
	read_always(worker, false);
}

/* A flag that changes nothing for anybody here, but splits and merges VMAs. */
static void split_and_merge(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		unsigned char *start = random_next(&worker->random) & 1 ?
			range.start : page_at(run, run->mirror, range.first);

		if (madvise(start, range.size, MADV_DONTFORK) ||
		    madvise(start, range.size, MADV_DOFORK)) {
			fail(run, "madvise(MADV_DONTFORK) of page %zu: %m",
			     range.first);
			return;
		}
		linger(&worker->random);
	}
}

const struct workload uffd_copy = {
	.name = "uffd.copy",
	.summary = "pages brought by UFFDIO_COPY into VMAs that split and merge",
	.ops = 10,
	.window = 8,
	.setup = register_plain,
	.roles = {
		{ "read", read_filled, 0, 1 },
		{ "split", split_and_merge, 1, 1 },
		{ "UFFDIO_COPY", serve_copies, 1, 0 },
	},
	.teardown = unregister_area,
};

const struct workload uffd_zero = {
	.name = "uffd.zero",
	.summary = "the same with UFFDIO_ZEROPAGE",
	.ops = 10,
	.window = 8,
	.setup = register_plain,
	.roles = {
		{ "read", read_empty, 0, 1 },
		{ "split", split_and_merge, 1, 1 },
		{ "UFFDIO_ZEROPAGE", serve_zeroes, 1, 0 },
	},
	.teardown = unregister_area,
};

const struct workload uffd_move = {
	.name = "uffd.move",
	.summary = "the same with UFFDIO_MOVE, which locks two VMAs",
	.ops = 10,
	.window = 8,
	.setup = register_moving,
	.roles = {
		{ "read", read_filled, 0, 1 },
		{ "split", split_and_merge, 1, 1 },
		{ "UFFDIO_MOVE", serve_moves, 1, 0 },
	},
	.teardown = unregister_area,
};

/* Beyond the VMA, or where nothing is registered: no lock may be kept. */
static bool is_refused(struct run *run, const char *call, int result,
		       int wanted)
{
	if (result && errno == wanted)
		return true;
	fail(run, "%s: %s instead of %s", call,
	     result ? strerrorname_np(errno) : "success",
	     strerrorname_np(wanted));
	return false;
}

static bool refuse_copy(struct worker *worker, unsigned char *to, size_t size)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)worker->buffer,
		.len = size,
	};

	return is_refused(worker->run, "UFFDIO_COPY",
			  ioctl(worker->run->fd, UFFDIO_COPY, &copy), ENOENT);
}

static bool refuse_zero(struct worker *worker, unsigned char *to, size_t size)
{
	struct uffdio_zeropage zero = {
		.range.start = (uintptr_t)to,
		.range.len = size,
	};

	return is_refused(worker->run, "UFFDIO_ZEROPAGE",
			  ioctl(worker->run->fd, UFFDIO_ZEROPAGE, &zero),
			  ENOENT);
}

/* The first page is there, so that the VMA has what a first fault gives it. */
static void refuse_always(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = run->page_size;
	size_t last = area_pages(run) - 1;

	if (copy_page(worker, 0)) {
		fail(run, "UFFDIO_COPY: %m");
		return;
	}
	fill_page(run, run->mirror, 0);
	while (going(worker)) {
		unsigned char *end = page_at(run, run->area, last);
		bool good;

		if (worker->ops & 1)
			good = refuse_copy(worker, end, 2 * size) &&
			       refuse_copy(worker, run->mirror, size);
		else
			good = refuse_zero(worker, end, 2 * size) &&
			       refuse_zero(worker, run->mirror, size);
		if (!good)
			return;
	}
}

const struct workload uffd_refuse = {
	.name = "uffd.refuse",
	.summary = "UFFDIO_COPY and ZEROPAGE that must be refused",
	.ops = 40,
	.window = 8,
	.setup = register_plain,
	.roles = {
		{ "refuse", refuse_always, 1, 1 },
	},
	.teardown = unregister_area,
};
