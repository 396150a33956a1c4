// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes of a case: started, heard, and judged by how they end. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hazards.h"

enum { CHILD_GOOD, CHILD_FAILED };

/* 0 after fail(). */
pid_t start_child(struct run *run, void (*body)(struct run *, unsigned int),
		  unsigned int number)
{
	pid_t pid = fork();

	if (pid < 0) {
		fail(run, "fork: %m");
		return 0;
	}
	if (pid)
		return pid;
	/* A thread that is not there any more may have had the lock. */
	pthread_mutex_init(&run->lock, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body(run, number);
	leave(run);
}

/* The end of a child.  No stdio: its buffers are the parent's. */
void leave(struct run *run)
{
	int none = 0;

	if (!run->failed)
		_exit(CHILD_GOOD);
	if (atomic_compare_exchange_strong(&run->shared->failed, &none, 1))
		memcpy(run->shared->reason, run->reason, sizeof(run->reason));
	_exit(CHILD_FAILED);
}

/* Waits for a child; false after fail(). */
bool collect(struct run *run, pid_t pid, int allowed_signal)
{
	int status = 0;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR) {
			fail(run, "waitpid: %m");
			return false;
		}
	alive(run);
	if (WIFSIGNALED(status) && WTERMSIG(status) != allowed_signal)
		fail(run, "a process died of signal %d", WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_FAILED &&
		 run->shared->failed)
		fail(run, "in a process: %.150s", run->shared->reason);
	else if (WIFEXITED(status) && WEXITSTATUS(status) != CHILD_GOOD)
		fail(run, "a process exited with %d", WEXITSTATUS(status));
	return !run->failed;
}
