// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of its own for each task, which nobody else can open. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

/* Fill the n-th page of the file; false after fail(). */
bool write_file(struct task *task, size_t n)
{
	struct run *run = task->run;

	fill_page(run, task->buffer, task->first + n);
	if (pwrite(task->fd, task->buffer, run->page_size,
		   (off_t)(n * run->page_size)) == (ssize_t)run->page_size)
		return true;
	fail(run, "cannot write page %zu of a file in %s: %m", n, run->opt.dir);
	return false;
}

/* The n-th page into the task's buffer; false after fail(). */
bool read_file(struct task *task, size_t n)
{
	struct run *run = task->run;

	if (pread(task->fd, task->buffer, run->page_size,
		  (off_t)(n * run->page_size)) == (ssize_t)run->page_size)
		return true;
	fail(run, "cannot read page %zu of a file: %m", n);
	return false;
}

static void make_file(struct task *task)
{
	struct run *run = task->run;
	char path[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/bench-XXXXXX", run->opt.dir);
	task->fd = mkostemp(path, O_CLOEXEC);
	if (task->fd < 0) {
		fail(run, "cannot make a file in %s: %m", run->opt.dir);
		return;
	}
	unlink(path);
	for (n = 0; n < run->workload->window; n++)
		if (!write_file(task, n))
			return;
}

void make_files(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_tasks && !run->failed; i++)
		make_file(&run->tasks[i]);
}

void close_files(struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr_tasks; i++)
		if (run->tasks[i].fd >= 0)
			close(run->tasks[i].fd);
}
