// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mapping pages that are in the page cache.  Reading maps the neighbours of a
 * page, too (fault-around); writing to a shared mapping faults for each page,
 * and is verified through read(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"

static void write_file(struct run *run)
{
	size_t pages = area_size(run) / run->page_size;
	unsigned char *buffer = run->workers[0].buffer;
	char path[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/faults-XXXXXX", run->opt.dir);
	run->fd = mkostemp(path, O_CLOEXEC);
	if (run->fd < 0) {
		fail(run, "cannot make a file in %s: %m", run->opt.dir);
		return;
	}
	unlink(path);
	for (n = 0; n < pages; n++) {
		fill_page(run, buffer, n);
		if (pwrite(run->fd, buffer, run->page_size,
			   (off_t)(n * run->page_size)) !=
		    (ssize_t)run->page_size) {
			fail(run, "cannot write a file in %s: %m", run->opt.dir);
			return;
		}
	}
}

static void close_file(struct run *run)
{
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
}

static void unmap_file(struct run *run)
{
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

static void map_readable(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_READ, MAP_SHARED,
			      run->fd);
}

const struct workload file_read = {
	.name = "file-read",
	.summary = "read page-cache pages through a mapping (fault-around)",
	.ops = 8192,	/* sixteen pages a fault */
	.window = 2048,
	.faults_around = true,
	.setup = write_file,
	.open = map_readable,
	.touch = read_pages,
	.verify = verify_filled,
	.close = unmap_file,
	.teardown = close_file,
};

static void map_writable(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_READ | PROT_WRITE,
			      MAP_SHARED, run->fd);
}

static void verify_file(struct worker *worker)
{
	struct run *run = worker->run;
	size_t n;

	for (n = worker->first; n < worker->first + run->count; n++) {
		if (pread(run->fd, worker->buffer, run->page_size,
			  (off_t)(n * run->page_size)) !=
		    (ssize_t)run->page_size) {
			fail(run, "pread of page %zu: %m", n);
			return;
		}
		if (!check_touched_filled(run, worker->buffer, n))
			return;
		untouch_page(run, page_at(run, run->area, n), n);
	}
}

const struct workload file_write = {
	.name = "file-write",
	.summary = "write page-cache pages through a shared mapping",
	.ops = 2048,
	.window = 1024,
	.setup = write_file,
	.open = map_writable,
	.touch = touch_pages,
	.verify = verify_file,
	.close = unmap_file,
	.teardown = close_file,
};
