// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bad user pointers given to system calls, while another thread unmaps and
 * maps: the kernel's own faults end in EFAULT, or in less than was asked for,
 * and never in a wait for a lock that the thread has itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hazards.h"

/* Of the mirror. */
enum { GOOD_PAGE, HOLE, FORBIDDEN_PAGE, READ_ONLY_PAGE, PAST_END, MIRROR_PAGES };

static unsigned char *special(const struct run *run, size_t page)
{
	return page_at(run, run->mirror, page);
}

static bool build_mirror(struct run *run)
{
	size_t size = run->page_size;
	unsigned char *past = special(run, PAST_END);

	fill_page(run, special(run, GOOD_PAGE), 0);
	return !munmap(special(run, HOLE), size) &&
	       !mprotect(special(run, FORBIDDEN_PAGE), size, PROT_NONE) &&
	       !mprotect(special(run, READ_ONLY_PAGE), size, PROT_READ) &&
	       /* the file is this short */
	       !ftruncate(run->fd, (off_t)size) &&
	       mmap(past, size, PROT_RW, MAP_SHARED | MAP_FIXED, run->fd,
		    (off_t)(16 * size)) == past;
}

static void map_bad_places(struct run *run)
{
	void *got;

	run->fd = memfd_create("hazards", MFD_CLOEXEC);
	if (run->fd < 0) {
		skip(run, "memfd_create: %m");
		return;
	}
	map_area_with_holes(run);
	got = mmap((void *)LONELY_PLACE, MIRROR_PAGES * run->page_size, PROT_RW,
		   MAP_PRIVATE_ANON, -1, 0);
	if (got == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	run->mirror = got;
	if (!run->failed && !build_mirror(run))
		fail(run, "cannot map bad places: %m");
}

static void unmap_bad_places(struct run *run)
{
	unmap_area(run);
	unmap_pages(run, run->mirror, MIRROR_PAGES * run->page_size);
	run->mirror = NULL;
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
}

static void expect_fault(struct run *run, const char *what, ssize_t got)
{
	if (got == -1 && errno == EFAULT)
		return;
	if (got == -1)
		fail(run, "%s: %m instead of EFAULT", what);
	else
		fail(run, "%s: %zd instead of EFAULT", what, got);
}

/* The kernel reads from `page`; the file is everybody's, each has a page. */
static void write_from(struct worker *worker, const char *what,
		       const unsigned char *page)
{
	struct run *run = worker->run;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC)) {
		fail(run, "pipe2: %m");
		return;
	}
	expect_fault(run, what, write(ends[1], page, 64));
	close(ends[0]);
	close(ends[1]);
}

/* The kernel writes to `page`. */
static void read_to(struct worker *worker, const char *what,
		    unsigned char *page)
{
	struct run *run = worker->run;
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fail(run, "open of /proc/self/comm: %m");
		return;
	}
	expect_fault(run, what, read(fd, page, 8));
	close(fd);
}

/* From the last bytes of the good page into the hole behind it. */
static void write_across(struct worker *worker)
{
	struct run *run = worker->run;
	const unsigned char *start = special(run, HOLE) - 128;
	unsigned char back[256];
	ssize_t got, i;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC)) {
		fail(run, "pipe2: %m");
		return;
	}
	got = write(ends[1], start, sizeof(back));
	if (got > 128 || got == 0)
		fail(run, "%zd of 128 bytes were written across an end", got);
	else if (got < 0)
		expect_fault(run, "write across an end", got);
	else if (read(ends[0], back, sizeof(back)) != got)
		fail(run, "read from a pipe: %m");
	else
		for (i = 0; i < got; i++)
			if (back[i] != start[i]) {
				fail(run, "byte %zd was written wrong", i);
				break;
			}
	close(ends[0]);
	close(ends[1]);
}

/* Another way into an mm: access_remote_vm(), with mmap_lock held. */
static void read_remote(struct worker *worker, unsigned char *page)
{
	struct run *run = worker->run;
	struct iovec local = { worker->buffer, 64 }, remote = { page, 64 };
	ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	int fd;

	if (got >= 0 || errno != ENOSYS) {
		expect_fault(run, "process_vm_readv", got);
		return;
	}
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fail(run, "open of /proc/self/mem: %m");
		return;
	}
	got = pread(fd, worker->buffer, 64, (off_t)(uintptr_t)page);
	if (got != -1 || errno != EIO)
		fail(run, "read of /proc/self/mem: %zd instead of EIO", got);
	close(fd);
}

/* A page that comes and goes: all of it, or EFAULT. */
static void write_racing(struct worker *worker)
{
	struct run *run = worker->run;
	size_t page = random_next(&worker->random) % area_pages(run);
	off_t at = (off_t)((2 + worker->index) * run->page_size);
	ssize_t got = pwrite(run->fd, page_at(run, run->area, page),
			     run->page_size, at);

	if (got < 0) {
		expect_fault(run, "write of a page that comes and goes", got);
		worker->refused++;
	} else if (pread(run->fd, worker->buffer, run->page_size, at) < got) {
		fail(run, "pread: %m");
	} else if (got == (ssize_t)run->page_size &&
		   !is_zero(run, worker->buffer)) {
		fail(run, "a page that nobody wrote to is not empty");
	}
}

static void give_bad_pointers(struct worker *worker)
{
	struct run *run = worker->run;
	unsigned char *hole, *forbidden, *read_only, *past, *kernel;

	hole = special(run, HOLE);
	forbidden = special(run, FORBIDDEN_PAGE);
	read_only = special(run, READ_ONLY_PAGE);
	past = special(run, PAST_END);
	kernel = (unsigned char *)-run->page_size;
	while (going(worker)) {
		write_from(worker, "write from a hole", hole);
		write_from(worker, "write of forbidden memory", forbidden);
		write_from(worker, "write from NULL", NULL);
		write_from(worker, "write of kernel memory", kernel);
		read_to(worker, "read to a hole", hole);
		read_to(worker, "read to read-only memory", read_only);
		write_across(worker);
		read_remote(worker, hole);
		write_racing(worker);
		if (worker->index == 0)
			write_from(worker, "write from past a file's end", past);
	}
}

static void unmap_always(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));

		if (munmap(range.start, range.size)) {
			fail(run, "munmap of page %zu: %m", range.first);
			return;
		}
		linger(&worker->random);
		if (!map_over(run, &range, PROT_RW, MAP_FIXED_NOREPLACE))
			return;
	}
}

const struct workload pointers = {
	.name = "pointers",
	.summary = "system calls with bad user pointers, beside unmapping",
	.ops = 40,
	.window = 32,
	.setup = map_bad_places,
	.roles = {
		{ "call", give_bad_pointers, 0, 1 },
		{ "munmap", unmap_always, 1, 1 },
	},
	.teardown = unmap_bad_places,
};
