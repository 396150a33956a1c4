// SPDX-License-Identifier: GPL-2.0-or-later
/* Tasks: what each does in a repetition, as a thread or as a process. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "marks.h"

/* Each on a CPU of its own while they last. */
static void pin(const struct task *task)
{
	unsigned int wanted, cpu;
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	wanted = task->index % (unsigned int)CPU_COUNT(&allowed);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !wanted--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

void meet(struct run *run)
{
	pthread_barrier_wait(&run->barrier);
}

static void usage(struct rusage *into)
{
	if (getrusage(RUSAGE_THREAD, into))
		die("getrusage: %m");
}

static uint64_t faults(const struct rusage *usage)
{
	return (uint64_t)usage->ru_minflt + (uint64_t)usage->ru_majflt;
}

static uint64_t switches(const struct rusage *usage)
{
	return (uint64_t)usage->ru_nvcsw + (uint64_t)usage->ru_nivcsw;
}

/* From one line to the next; the first task has waited for a tick. */
static void work(struct task *task)
{
	struct run *run = task->run;
	struct rusage before, after;

	task->fault_ns = task->pages = task->ops = 0;
	if (!task->index)
		await_tick();
	line_up(&run->in_line, &task->lines, run->nr_tasks);
	usage(&before);
	line_up(&run->in_line, &task->lines, run->nr_tasks);
	task->begin = now_ns();
	mark(MARK_BEGIN(0));
	if (!run->failed)
		run->workload->work(task);
	mark(MARK_END(0));
	task->end = now_ns();
	line_up(&run->in_line, &task->lines, run->nr_tasks);
	usage(&after);
	task->faults = faults(&after) - faults(&before);
	task->switches = switches(&after) - switches(&before);
}

static void repeat(struct task *task)
{
	struct run *run = task->run;
	const struct workload *workload = run->workload;

	pin(task);
	join_noise(task->index);
	for (;;) {
		meet(run);	/* opened, or over */
		if (run->stop)
			break;
		if (workload->prepare && !run->failed)
			workload->prepare(task);
		meet(run);	/* prepared */
		meet(run);	/* counters were read */
		work(task);
		meet(run);	/* worked */
		meet(run);	/* counters were read */
		if (workload->check && !run->failed)
			workload->check(task);
		meet(run);	/* checked */
	}
	leave_noise();
}

static void *thread_main(void *argument)
{
	repeat(argument);
	return NULL;
}

/* While tasks meet, a process that is gone would be waited for for ever. */
static void on_child(int number)
{
	int status, saved = 0;

	(void)number;
	while (waitpid(-1, &status, WNOHANG) > 0) {
		if (WIFSIGNALED(status))
			saved = WTERMSIG(status);
		else if (WEXITSTATUS(status))
			_exit(WEXITSTATUS(status));
	}
	if (!saved)
		return;
	/* Ours is its end: what it died of is what the harness is to see. */
	signal(saved, SIG_DFL);
	raise(saved);
}

static void watch_children(bool on)
{
	struct sigaction action = {
		.sa_handler = on ? on_child : SIG_DFL,
		.sa_flags = SA_RESTART | SA_NOCLDSTOP,
	};

	if (sigaction(SIGCHLD, &action, NULL))
		die("sigaction: %m");
}

static void start_process(struct task *task)
{
	pid_t parent = getpid(), process = fork();

	if (process < 0)
		die("cannot start process %u: %m", task->index);
	if (process) {
		task->process = process;
		return;
	}
	watch_children(false);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(3);
	repeat(task);
	_exit(0);
}

void start_tasks(struct run *run)
{
	unsigned int i;

	fflush(stdout);
	if (run->opt.processes)
		watch_children(true);
	for (i = 0; i < run->nr_tasks; i++) {
		struct task *task = &run->tasks[i];

		if (run->opt.processes)
			start_process(task);
		else if (pthread_create(&task->thread, NULL, thread_main, task))
			die("cannot start thread %u", i);
	}
}

void end_tasks(struct run *run)
{
	unsigned int i;
	int status;

	run->stop = true;
	if (run->opt.processes)
		watch_children(false);
	meet(run);
	for (i = 0; i < run->nr_tasks; i++) {
		struct task *task = &run->tasks[i];

		if (!run->opt.processes)
			pthread_join(task->thread, NULL);
		else if (waitpid(task->process, &status, 0) != task->process ||
			 status)
			die("process %u did not end well", i);
	}
}
