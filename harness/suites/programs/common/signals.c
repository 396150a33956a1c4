// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fault that the kernel refuses although the memory is mapped is what these
 * workloads are to find: say where it was before dying of it.  allow_holes()
 * puts another handler in front of this one.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

static void dying(int number, siginfo_t *info, void *context)
{
	char line[120];
	int length;

	(void)context;
	/* snprintf is not on the list of safe functions, but this is the end. */
	length = snprintf(line, sizeof(line),
			  "\n# unexpected signal %d (code %d) at address %p\n",
			  number, info->si_code, info->si_addr);
	if (length > 0 && write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(3);
	signal(number, SIG_DFL);
	raise(number);
}

void catch_segv(void)
{
	struct sigaction action = {
		.sa_sigaction = dying,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	if (sigaction(SIGSEGV, &action, NULL) ||
	    sigaction(SIGBUS, &action, NULL))
		die("sigaction: %m");
}
