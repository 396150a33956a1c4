// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses that may be refused.  A thread that sets `may_escape` after
 * sigsetjmp(escape, 0) comes back there when the kernel refuses an access
 * inside the declared range; any other refusal is reported, and kills.
 */
#include "program.h"

static struct {
	uintptr_t start, end;
	bool forbidden_too;
} holes;
__thread sigjmp_buf escape;
__thread volatile sig_atomic_t may_escape;

static void on_segv(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;

	(void)number;
	(void)context;
	if (may_escape && address >= holes.start && address < holes.end &&
	    (info->si_code == SEGV_MAPERR ||
	     (info->si_code == SEGV_ACCERR && holes.forbidden_too)))
		siglongjmp(escape, 1);
	/* Not ours: the next attempt finds the handler that reports. */
	catch_segv();
}

void allow_holes(const unsigned char *start, size_t size, bool forbidden_too)
{
	/* The mask is not saved by sigsetjmp: nothing must be masked. */
	struct sigaction action = {
		.sa_sigaction = on_segv,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	holes.start = (uintptr_t)start;
	holes.end = holes.start + size;
	holes.forbidden_too = forbidden_too;
	if (sigaction(SIGSEGV, &action, NULL))
		die("sigaction: %m");
}
