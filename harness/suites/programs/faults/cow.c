// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copy on write after fork.  The parent's threads write (timed) while a child
 * still has the pages; then the child, which must see the old contents, writes
 * its own; then the parent, which must see its own contents, is verified.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

static struct {
	pid_t pid;
	int order;	/* a byte: write now; closed: go away */
} child = { .pid = -1, .order = -1 };

static size_t pages_in_round(const struct run *run)
{
	return run->opt.threads * run->count;
}

/* Stripes are `window` pages apart, but only `count` of each are in use. */
static size_t nth_page(const struct run *run, size_t i)
{
	return i / run->count * run->workload->window + i % run->count;
}

/* Exit codes of the child; it is a copy of a process with threads: no stdio. */
enum { CHILD_GOOD, CHILD_SAW_PARENT, CHILD_LOST_WRITE };

static void child_main(struct run *run, int order)
{
	unsigned char *page;
	size_t i, n;
	char byte;

	if (read(order, &byte, 1) != 1)
		_exit(CHILD_GOOD);
	for (i = 0; i < pages_in_round(run); i++) {
		n = nth_page(run, i);
		if (!check_filled(run, page_at(run, run->area, n), n))
			_exit(CHILD_SAW_PARENT);
	}
	run->opt.seed++;	/* another pattern than the parent's */
	for (i = 0; i < pages_in_round(run); i++) {
		n = nth_page(run, i);
		page = page_at(run, run->area, n);
		fill_page(run, page, n);
	}
	for (i = 0; i < pages_in_round(run); i++) {
		n = nth_page(run, i);
		if (!check_filled(run, page_at(run, run->area, n), n))
			_exit(CHILD_LOST_WRITE);
	}
	_exit(CHILD_GOOD);
}

static void map_area(struct run *run)
{
	run->area = map_pages(run, area_size(run), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void fill_and_fork(struct run *run)
{
	int ends[2];
	size_t i, n;

	for (i = 0; i < pages_in_round(run); i++) {
		n = nth_page(run, i);
		fill_page(run, page_at(run, run->area, n), n);
	}
	if (pipe2(ends, O_CLOEXEC)) {
		fail(run, "pipe2: %m");
		return;
	}
	child.pid = fork();
	if (child.pid < 0)
		fail(run, "fork: %m");
	if (!child.pid) {
		close(ends[1]);
		child_main(run, ends[0]);
	}
	close(ends[0]);
	child.order = ends[1];
}

static void let_child_write(struct run *run)
{
	int status = 0;

	if (write(child.order, "w", 1) != 1)
		fail(run, "cannot tell the child to write: %m");
	close(child.order);
	child.order = -1;
	if (waitpid(child.pid, &status, 0) != child.pid)
		fail(run, "waitpid: %m");
	else if (WIFSIGNALED(status))
		fail(run, "child died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == CHILD_SAW_PARENT)
		fail(run, "child saw contents that it should not");
	else if (WEXITSTATUS(status) == CHILD_LOST_WRITE)
		fail(run, "child did not find what it had written");
	else if (WEXITSTATUS(status))
		fail(run, "child exited with %d", WEXITSTATUS(status));
	child.pid = -1;
}

/* After a failed open there may be a child that was never told anything. */
static void unmap_area(struct run *run)
{
	if (child.order >= 0)
		close(child.order);
	if (child.pid > 0)
		waitpid(child.pid, NULL, 0);
	child.order = child.pid = -1;
	unmap_pages(run, run->area, area_size(run));
	run->area = NULL;
}

const struct workload cow = {
	.name = "cow",
	.summary = "write to memory that is shared with a child after fork",
	.ops = 256,	/* each copy flushes the TLBs of the other threads */
	.window = 512,
	.setup = map_area,
	.open = fill_and_fork,
	.touch = touch_pages,
	.settle = let_child_write,
	.verify = verify_touched_filled,
	.teardown = unmap_area,
};
