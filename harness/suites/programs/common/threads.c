// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads that race until each of them has done its share. */
#include "program.h"

/* Whether to go on: `done` remembers that the quota was reported. */
bool unfinished(struct run *run, bool quota_reached, bool *done)
{
	if (quota_reached && !*done) {
		*done = true;
		run->unfinished--;
	}
	noise_point();
	return run->unfinished > 0 && !run->failed;
}

/* Between operations, so that they do not keep in step with the faults. */
void linger(uint64_t *random)
{
	volatile unsigned int turns = random_next(random) % 1024;

	while (turns)
		turns = turns - 1;
}
