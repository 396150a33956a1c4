// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Missing pages that user space brings: the faulting threads sleep until a
 * handler thread has copied the page in.  An operation is all of that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"

static struct {
	pthread_t thread;
	unsigned char *buffer;
	int stop[2];		/* closing the write end ends the thread */
	bool started;
} handler;

/* On an error the faulting thread would sleep for ever: end the program. */
static void bring_page(struct run *run, uint64_t address)
{
	size_t n = (address - (uintptr_t)run->area) / run->page_size;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page_at(run, run->area, n),
		.src = (uintptr_t)handler.buffer,
		.len = run->page_size,
	};

	fill_page(run, handler.buffer, n);
	while (ioctl(run->fd, UFFDIO_COPY, &copy)) {
		if (errno != EAGAIN)
			die("UFFDIO_COPY of page %zu: %m", n);
		copy.copy = 0;
	}
}

static void *handle_faults(void *argument)
{
	struct run *run = argument;
	struct pollfd fds[2] = {
		{ .fd = run->fd, .events = POLLIN },
		{ .fd = handler.stop[0], .events = POLLIN },
	};
	uint64_t address;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll: %m");
		if (fds[1].revents)
			return NULL;
		if (next_missing(run->fd, &address))
			bring_page(run, address);
	}
}

static void register_area(struct run *run)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	run->fd = open_userfault();
	if (run->fd < 0) {
		skip(run, "userfaultfd is not available: %m");
		return;
	}
	if (ioctl(run->fd, UFFDIO_API, &api)) {
		fail(run, "UFFDIO_API: %m");
		return;
	}
	run->area = map_pages(run, area_size(run), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (!run->area)
		return;
	reg.range.start = (uintptr_t)run->area;
	reg.range.len = area_size(run);
	if (ioctl(run->fd, UFFDIO_REGISTER, &reg)) {
		fail(run, "UFFDIO_REGISTER: %m");
		return;
	}
	handler.buffer = aligned_alloc(run->page_size, run->page_size);
	if (!handler.buffer || pipe2(handler.stop, O_CLOEXEC) ||
	    pthread_create(&handler.thread, NULL, handle_faults, run))
		die("cannot start the handler of userfaultfd");
	handler.started = true;
}

static void drop_pages(struct run *run)
{
	if (madvise(run->area, area_size(run), MADV_DONTNEED))
		fail(run, "madvise(MADV_DONTNEED): %m");
}

static void unregister_area(struct run *run)
{
	if (handler.started) {
		close(handler.stop[1]);
		pthread_join(handler.thread, NULL);
		close(handler.stop[0]);
		free(handler.buffer);
		handler.started = false;
	}
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

const struct workload uffd = {
	.name = "uffd",
	.summary = "missing pages brought through userfaultfd",
	.ops = 64,	/* each one makes two threads sleep and wake */
	.window = 128,
	.sleeps = true,
	.setup = register_area,
	.touch = read_pages,
	.verify = verify_filled,
	.close = drop_pages,
	.teardown = unregister_area,
};
