// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flags of VMAs that threads fault in: those that change nothing for them, and
 * those that say what a child gets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define OWN_PAGES 8

/* A VMA of its own, which nothing merges with. */
static void map_area_and_other(struct run *run)
{
	map_area(run);
	run->mirror = map_pages(run, OWN_PAGES * run->page_size,
				PROT_RW | PROT_EXEC, MAP_PRIVATE_ANON, -1);
}

static void unmap_area_and_other(struct run *run)
{
	unmap_area(run);
	unmap_pages(run, run->mirror, OWN_PAGES * run->page_size);
	run->mirror = NULL;
}

static bool advise_all(struct worker *worker, unsigned char *start, size_t size)
{
	static const int advice[] = {
		MADV_SEQUENTIAL, MADV_RANDOM, MADV_NORMAL, MADV_DONTDUMP,
		MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK,
	};
	size_t which = random_next(&worker->random) % ARRAY_SIZE(advice);

	if (!madvise(start, size, advice[which]))
		return true;
	fail(worker->run, "madvise(%d): %m", advice[which]);
	return false;
}

/* There may be a limit on locked memory: then it is not locked. */
static bool lock_and_unlock(struct run *run)
{
	size_t size = OWN_PAGES * run->page_size;

	if (mlock(run->mirror, size))
		return true;
	fill_page(run, run->mirror, 1);
	if (!munlock(run->mirror, size))
		return check_filled(run, run->mirror, 1);
	fail(run, "munlock: %m");
	return false;
}

/* A VMA as a whole: neither split nor merged, its flags are all that changes. */
static void change_flags(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		uint64_t begin = now_ns();
		bool good;

		switch (worker->ops % 4) {
		case 0:
			good = lock_and_unlock(run);
			break;
		case 1:
			good = advise_all(worker, range.start, range.size);
			break;
		default:
			good = advise_all(worker, run->area, area_size(run));
		}
		if (!good)
			return;
		sample(run, now_ns() - begin);
		linger(&worker->random);
	}
}

const struct workload flags = {
	.name = "flags",
	.summary = "faults in VMAs whose flags change (madvise, mlock)",
	.ops = 120,
	.window = 24,
	.setup = map_area_and_other,
	.roles = {
		{ "fault", fault_strictly, 0, 4 },
		{ "flags", change_flags, 1, 1 },
	},
	.teardown = unmap_area_and_other,
};

/* The first half is wiped in a child, the second is not there. */
static size_t half(const struct run *run)
{
	return OWN_PAGES / 2 * run->page_size;
}

static void use_what_is_left(struct run *run, unsigned int number)
{
	size_t n;

	for (n = 0; n < OWN_PAGES / 2; n++) {
		unsigned char *page = page_at(run, run->mirror, n);

		if (!is_zero(run, page)) {
			fail(run, "page %zu is not wiped in a child", n);
			return;
		}
		fill_page(run, page, n + number);
		if (!check_filled(run, page, n + number))
			return;
	}
	if (!access((char *)run->mirror + half(run), F_OK) || errno != EFAULT)
		fail(run, "a child has what MADV_DONTFORK keeps from it");
}

static bool map_own(struct run *run)
{
	run->mirror = map_pages(run, 2 * half(run), PROT_RW | PROT_EXEC,
				MAP_PRIVATE_ANON, -1);
	if (!run->mirror)
		return false;
	if (!madvise(run->mirror, half(run), MADV_WIPEONFORK) &&
	    !madvise(run->mirror + half(run), half(run), MADV_DONTFORK))
		return true;
	fail(run, "madvise: %m");
	return false;
}

static void fork_without_all(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		pid_t pid;
		size_t n;

		if (!map_own(run))
			return;
		for (n = 0; n < OWN_PAGES; n++)
			fill_page(run, page_at(run, run->mirror, n), n);
		pid = start_child(run, use_what_is_left,
				  (unsigned int)worker->ops);
		if (!pid || !collect(run, pid, 0))
			return;
		for (n = 0; n < OWN_PAGES; n++)
			if (!check_filled(run, page_at(run, run->mirror, n), n))
				return;
		unmap_pages(run, run->mirror, 2 * half(run));
		run->mirror = NULL;
	}
}

static void unmap_area_and_own(struct run *run)
{
	unmap_area(run);
	unmap_pages(run, run->mirror, 2 * half(run));
	run->mirror = NULL;
}

const struct workload fork_flags = {
	.name = "fork.flags",
	.summary = "forks that wipe a VMA (MADV_WIPEONFORK) or leave it out",
	.ops = 24,
	.window = 16,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "fork", fork_without_all, 1, 1 },
	},
	.teardown = unmap_area_and_own,
};
