// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends a case in which nothing happens any more.  The result is printed first
 * and by write(2): a broken mm may stop everything that needs memory.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hazards.h"

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over;
} watchdog = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static void say_to(int fd, const char *text, int length)
{
	if (length > 0 && write(fd, text, (size_t)length) < 0)
		_exit(3);
}

/* "# thread 12: 12 (hazards) D …", and where the kernel says it waits. */
static void describe_thread(const char *id)
{
	static const char *const files[] = { "stat", "wchan" };
	char path[64], text[160];
	ssize_t got;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/%s", id,
			 files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		got = read(fd, text, 60);
		close(fd);
		if (got > 0)
			dprintf(STDOUT_FILENO, "# thread %s %s: %.*s\n", id,
				files[i], (int)strcspn(text, "\n"), text);
	}
}

/*
 * Stacks of blocked tasks and held locks go to the console: a process with a
 * thread that can never be killed can never report its end either.
 */
static void tell_kernel_log(void)
{
	static const char *const keys[] = { "w", "d" };
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	size_t i;

	for (i = 0; fd >= 0 && i < ARRAY_SIZE(keys); i++)
		say_to(fd, keys[i], 1);
}

static unsigned int stall_s(const struct run *run)
{
	return run->opt.noise ? NOISY_STALL_S : STALL_S;
}

static void give_up(struct run *run, const char *who, unsigned int index,
		    unsigned long ops)
{
	static char line[200];
	struct dirent *entry;
	DIR *tasks;

	say_to(STDOUT_FILENO, line, snprintf(line, sizeof(line),
			   "\nnot ok %u - %s # no progress for %u s: %s %u, after %lu operations\n",
			   run->number, run->name, stall_s(run), who, index, ops));
	tasks = opendir("/proc/self/task");
	while (tasks && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			describe_thread(entry->d_name);
	if (run->opt.own_machine) {
		put_settings_back();
		tell_kernel_log();
	}
	_exit(1);
}

/* A counter that must not stand still. */
struct pulse {
	unsigned long seen;
	unsigned int still_s;
};

/* Once a second: whether it has stood still for too long. */
static bool stopped(const struct run *run, struct pulse *pulse,
		    unsigned long now)
{
	if (now != pulse->seen) {
		pulse->seen = now;
		pulse->still_s = 0;
		return false;
	}
	return ++pulse->still_s >= stall_s(run);
}

/* Each for itself: one that starves beside busy others is what we look for. */
static void examine(struct run *run, struct pulse *pulses)
{
	struct worker *worker;
	unsigned int i;

	if (!run->nr_workers && stopped(run, &pulses[0], run->shared->progress))
		give_up(run, "process", 0, pulses[0].seen);
	for (i = 0; i < run->nr_workers; i++) {
		worker = &run->workers[i];
		if (worker->quota && !worker->left &&
		    stopped(run, &pulses[i], worker->ops))
			give_up(run, worker->role->name, worker->index,
				pulses[i].seen);
	}
}

static void *watch(void *argument)
{
	static struct pulse pulses[(MAX_ROLES + 1) * MAX_THREADS];
	struct run *run = argument;

	memset(pulses, 0, sizeof(pulses));
	pthread_mutex_lock(&watchdog.lock);
	while (!watchdog.over) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (pthread_cond_timedwait(&watchdog.changed, &watchdog.lock,
					   &until) == ETIMEDOUT)
			examine(run, pulses);
	}
	pthread_mutex_unlock(&watchdog.lock);
	return NULL;
}

void start_watchdog(struct run *run)
{
	watchdog.over = false;
	if (pthread_create(&watchdog.thread, NULL, watch, run))
		die("cannot start the watchdog");
}

void stop_watchdog(void)
{
	pthread_mutex_lock(&watchdog.lock);
	watchdog.over = true;
	pthread_cond_signal(&watchdog.changed);
	pthread_mutex_unlock(&watchdog.lock);
	pthread_join(watchdog.thread, NULL);
}
