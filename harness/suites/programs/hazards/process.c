// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes that end while their threads fault: by themselves, in every way
 * there is, or killed while they wait for the write lock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hazards.h"

#define WRITERS 2

/* As many operations as nobody will let them do. */
#define ENDLESS (1ul << 40)

static void *fault_for_ever(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;

	while (!run->failed && worker->ops < ENDLESS) {
		worker->turn = worker->ops++;
		alive(run);
		if (fault_once(worker, run->area, false))
			drop_stripe(worker, run->area);
	}
	leave(run);
}

/* Takes the write lock again and again: beside the stripes, and in them. */
static void *write_for_ever(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;
	size_t size = area_size(run);

	while (!run->failed && worker->ops++ < ENDLESS) {
		int prot = PROT_RW | (worker->ops & 1 ? PROT_EXEC : 0);
		unsigned char *own;

		if (mprotect(run->area, size, prot))
			fail(run, "mprotect: %m");
		own = map_pages(run, run->page_size, PROT_RW, MAP_PRIVATE_ANON,
				-1);
		if (!own)
			break;
		touch_page(run, own, 0);
		if (check_touched(run, own, 0))
			unmap_pages(run, own, run->page_size);
	}
	leave(run);
}

static void start_thread(struct worker *worker, void *(*body)(void *))
{
	if (pthread_create(&worker->thread, NULL, body, worker)) {
		fail(worker->run, "cannot start a thread");
		leave(worker->run);
	}
}

/* In the child: --threads that fault, and `writers` that write. */
static struct worker *start_threads(struct run *run, unsigned int number,
				    unsigned int writers)
{
	unsigned int i, nr = run->opt.threads + writers;
	struct worker *workers = calloc(nr, sizeof(*workers));

	if (!workers)
		die("out of memory");
	map_area(run);
	for (i = 0; i < nr && !run->failed; i++) {
		workers[i].run = run;
		workers[i].first = i * stride(run);
		workers[i].random = mix(run->opt.seed + number * 31 + i);
		start_thread(&workers[i], i < run->opt.threads ?
			     fault_for_ever : write_for_ever);
	}
	return workers;
}

/* What else the main thread does with the mm before it leaves it. */
static void use_some(struct run *run, uint64_t *random)
{
	unsigned long from = run->shared->progress;
	unsigned long wanted = 1 + random_next(random) % 12;

	while (run->shared->progress - from < wanted && !run->failed)
		linger(random);
	if (run->failed)
		leave(run);
}

static void *end_all(void *argument)
{
	struct run *run = argument;
	uint64_t random = run->opt.seed;

	use_some(run, &random);
	_exit(0);
}

/* Where there is nothing to see: stdout is the report's. */
static void execute_itself(struct run *run)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		fail(run, "cannot open /dev/null: %m");
	execl("/proc/self/exe", program.command, "--list", (char *)NULL);
	fail(run, "execl: %m");
}

static void end_somehow(struct run *run, unsigned int number)
{
	uint64_t random = mix(run->opt.seed + number);
	pthread_t thread;

	start_threads(run, number, 1);
	use_some(run, &random);
	switch (number % 4) {
	case 0:		/* exit_group() from the main thread */
		return;
	case 1:		/* the main thread first, then another one ends all */
		if (pthread_create(&thread, NULL, end_all, run))
			return;
		pthread_exit(NULL);
	case 2:		/* a new mm while the threads use the old one */
		execute_itself(run);
		return;
	default:
		raise(SIGKILL);
	}
}

/* One process after the other, --ops of them. */
static void one_by_one(struct run *run,
		       bool (*once)(struct run *, unsigned int))
{
	unsigned int i;

	for (i = 0; i < run->opt.ops && !run->failed; i++) {
		if (!once(run, i))
			return;
		run->operations++;
	}
}

static bool let_one_end(struct run *run, unsigned int number)
{
	pid_t pid = start_child(run, end_somehow, number);

	return pid && collect(run, pid, SIGKILL);
}

static void let_them_end(struct run *run)
{
	one_by_one(run, let_one_end);
}

const struct workload leaving = {
	.name = "exit",
	.summary = "processes that exit, exec or die while their threads fault",
	.ops = 20,
	.window = 16,
	.alone = let_them_end,
};

static void be_killed(struct run *run, unsigned int number)
{
	start_threads(run, number, WRITERS);
	for (;;)
		pause();
}

/* By itself, which collect() will find wrong. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid;
}

static bool kill_one(struct run *run, unsigned int number)
{
	uint64_t random = mix(run->opt.seed + number);
	unsigned long from = run->shared->progress;
	unsigned long wanted = 4 + random_next(&random) % 20;
	pid_t pid = start_child(run, be_killed, number);
	uint64_t begin;

	if (!pid)
		return false;
	while (run->shared->progress - from < wanted && !has_ended(pid))
		usleep(200);
	begin = now_ns();
	kill(pid, SIGKILL);
	if (!collect(run, pid, SIGKILL))
		return false;
	sample(run, now_ns() - begin);	/* from the signal to the end */
	return true;
}

static void kill_them(struct run *run)
{
	one_by_one(run, kill_one);
}

const struct workload killed = {
	.name = "kill",
	.summary = "SIGKILL for processes that fault and wait for the write lock",
	.ops = 12,
	.window = 16,
	.alone = kill_them,
};
