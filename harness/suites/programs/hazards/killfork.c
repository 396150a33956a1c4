// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SIGKILL for processes that fork: fork write-locks one VMA after the other,
 * and gives up on a fatal signal while it waits for a reader.  Readers here
 * are calls that keep a VMA locked for long: madvise() of many pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hazards.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* since 6.13; on older ones MADV_DONTNEED */
#define MADV_GUARD_REMOVE 103
#endif

#define FORKING_THREADS 2

static void advise(struct run *run, unsigned char *start, size_t size,
		   int advice)
{
	if (!madvise(start, size, advice) || errno == EINVAL)
		return;
	fail(run, "madvise(%d): %m", advice);
	leave(run);
}

/* The first page is always there, so that the VMA has what it needs to stay. */
static void *advise_for_ever(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;
	unsigned char *start = map_pages(run, run->workload->window *
					 run->page_size, PROT_RW,
					 MAP_PRIVATE_ANON, -1);
	size_t size = (run->workload->window - 1) * run->page_size;

	if (!start)
		leave(run);
	touch_page(run, start, 0);
	for (;;) {
		advise(run, start + run->page_size, size, MADV_GUARD_INSTALL);
		advise(run, start + run->page_size, size, MADV_GUARD_REMOVE);
		advise(run, start + run->page_size, size, MADV_DONTNEED);
		if (!check_touched(run, start, 0))
			leave(run);
		alive(run);
	}
}

/* Until the parent is killed; whoever is born in that moment ends at once. */
static void *fork_for_ever(void *argument)
{
	struct run *run = argument;

	for (;;) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		else if (errno != EAGAIN && errno != ENOMEM)
			fail(run, "fork: %m");
		if (run->failed)
			leave(run);
		alive(run);
	}
}

static void start_thread(struct run *run, void *(*body)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, argument)) {
		fail(run, "cannot start a thread");
		leave(run);
	}
}

static void be_killed(struct run *run, unsigned int number)
{
	struct worker *workers = calloc(run->opt.threads, sizeof(*workers));
	unsigned int i;

	(void)number;
	if (!workers)
		die("out of memory");
	for (i = 0; i < run->opt.threads; i++) {
		workers[i].run = run;
		start_thread(run, advise_for_ever, &workers[i]);
	}
	for (i = 0; i < FORKING_THREADS; i++)
		start_thread(run, fork_for_ever, run);
	for (;;)
		pause();
}

static bool kill_one(struct run *run, uint64_t *random, unsigned int number)
{
	unsigned long from = run->shared->progress;
	unsigned long wanted = 4 + random_next(random) % 12;
	pid_t pid = start_child(run, be_killed, number);
	siginfo_t info = { .si_pid = 0 };
	uint64_t begin;

	if (!pid)
		return false;
	while (run->shared->progress - from < wanted && !info.si_pid) {
		usleep(200);
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
			break;
	}
	usleep((useconds_t)(random_next(random) % 4000));
	begin = now_ns();
	kill(pid, SIGKILL);
	if (!collect(run, pid, SIGKILL))
		return false;
	sample(run, now_ns() - begin);	/* from the signal to the end */
	return true;
}

static void kill_them(struct run *run)
{
	uint64_t random = mix(run->opt.seed);
	unsigned int i;

	for (i = 0; i < run->opt.ops; i++) {
		if (!kill_one(run, &random, i))
			return;
		run->operations++;
	}
}

const struct workload kill_fork = {
	.name = "kill.fork",
	.summary = "SIGKILL for processes that fork beside readers of their VMAs",
	.ops = 16,
	.window = 512,
	.alone = kill_them,
};
