// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Noise: where one CPU runs at a time and is changed at timers alone, schedules
 * are coarse.  A thread that has joined arms, before each of its operations, a
 * timer that goes off a random time later, in the middle of a fault as well as
 * of a system call.  Nobody waits for most of them: their interrupts do.  For
 * some a thread of real-time priority waits on each CPU: it takes the place of
 * what runs there, delays it, or lets a random one of those that joined go
 * before all others.  Now and then a thread yields.
 *
 * As much noise as there is work: no time passes in which there is only noise.
 * All of it follows from --noise; without that there is none.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "program.h"

#define SHORTEST_NS 500
#define LONGEST_NS 32000
#define LONGEST_DELAY 4000	/* turns of a loop */
#define MAX_NOISES 64
#define MAX_JOINED (2 * MAX_THREADS)

static struct {
	uint64_t seed;
	unsigned int nr_threads;
	pthread_t threads[MAX_NOISES];
	int kicks[MAX_NOISES];		/* timers that they wait for */
	unsigned int cpus[MAX_NOISES];
	atomic_bool over;
	atomic_uint nr_joined;
	atomic_int joined[MAX_JOINED];	/* thread ids; 0: left again */
} noise;

static __thread uint64_t choices;
static __thread unsigned int place;	/* in `joined`, from 1 */
static __thread int tick = -1;		/* the timer that nobody waits for */

/* Real time goes first; without the right to it there is less noise. */
static void set_priority(pid_t thread, int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	(void)sched_setscheduler(thread, policy | SCHED_RESET_ON_FORK, &param);
}

static pid_t somebody(uint64_t *random)
{
	unsigned int nr = noise.nr_joined;

	if (nr > MAX_JOINED)
		nr = MAX_JOINED;
	return nr ? noise.joined[random_next(random) % nr] : 0;
}

static void delay(uint64_t *random)
{
	volatile unsigned int turns = random_next(random) % LONGEST_DELAY;

	while (turns)
		turns = turns - 1;
}

static int new_timer(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0)
		die("timerfd_create: %m");
	return fd;
}

static void arm(int fd, uint64_t ns)
{
	struct itimerspec when = { .it_value.tv_nsec = (long)ns };

	if (timerfd_settime(fd, 0, &when, NULL))
		die("timerfd_settime: %m");
}

static void *disturb(void *argument)
{
	unsigned int number = (unsigned int)(uintptr_t)argument;
	uint64_t random = mix(noise.seed * 7919 + number), times;
	pid_t preferred = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(noise.cpus[number], &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	set_priority(0, SCHED_FIFO, 2);
	while (!noise.over && read(noise.kicks[number], &times,
				   sizeof(times)) == sizeof(times)) {
		if (preferred) {
			set_priority(preferred, SCHED_OTHER, 0);
			preferred = 0;
		} else if (random_next(&random) % 2 == 0) {
			preferred = somebody(&random);
			if (preferred)
				set_priority(preferred, SCHED_FIFO, 1);
		} else {
			delay(&random);
		}
	}
	if (preferred)
		set_priority(preferred, SCHED_OTHER, 0);
	return NULL;
}

void start_noise(const struct options *opt)
{
	unsigned int cpu, nr = 0;
	cpu_set_t allowed;

	noise.seed = opt->noise;
	if (!noise.seed || sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	noise.over = false;
	for (cpu = 0; cpu < CPU_SETSIZE && nr < MAX_NOISES; cpu++)
		if (CPU_ISSET(cpu, &allowed)) {
			noise.cpus[nr] = cpu;
			noise.kicks[nr++] = new_timer();
		}
	for (; noise.nr_threads < nr; noise.nr_threads++)
		if (pthread_create(&noise.threads[noise.nr_threads], NULL,
				   disturb,
				   (void *)(uintptr_t)noise.nr_threads))
			die("cannot start a thread of noise");
}

void stop_noise(void)
{
	noise.over = true;
	while (noise.nr_threads) {
		arm(noise.kicks[--noise.nr_threads], 1);
		pthread_join(noise.threads[noise.nr_threads], NULL);
		close(noise.kicks[noise.nr_threads]);
	}
	noise.nr_joined = 0;
}

/* The calling thread makes noise from now on, and is subject to it. */
void join_noise(unsigned int number)
{
	if (!noise.nr_threads)
		return;
	choices = mix(noise.seed * 104729 + number);
	tick = new_timer();
	place = ++noise.nr_joined;
	if (place <= MAX_JOINED)
		noise.joined[place - 1] = (int)syscall(SYS_gettid);
}

/* Before it ends: its id may become another's. */
void leave_noise(void)
{
	if (!place)
		return;
	if (place <= MAX_JOINED)
		noise.joined[place - 1] = 0;
	place = 0;
	close(tick);
}

/* Before an operation. */
void noise_point(void)
{
	uint64_t choice, ns;

	if (!place)
		return;
	choice = random_next(&choices);
	ns = SHORTEST_NS + (choice >> 8) % (LONGEST_NS - SHORTEST_NS);
	if (choice % 16 == 0)
		sched_yield();
	else if (choice % 16 < 3)
		arm(noise.kicks[(choice >> 32) % noise.nr_threads], ns);
	else
		arm(tick, ns);
}
