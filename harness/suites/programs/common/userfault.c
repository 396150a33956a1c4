// SPDX-License-Identifier: GPL-2.0-or-later
/* userfaultfd as far as all programs use it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Everybody may handle faults from user mode; the others need a right. */
int open_userfault(void)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EPERM)
		fd = syscall(SYS_userfaultfd,
			     O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	return (int)fd;
}

/* The address of the next missing page; false if nobody waits for any. */
bool next_missing(int fd, uint64_t *address)
{
	struct uffd_msg message;

	if (read(fd, &message, sizeof(message)) != (ssize_t)sizeof(message)) {
		if (errno != EAGAIN && errno != EINTR)
			die("read of userfaultfd: %m");
		return false;
	}
	if (message.event != UFFD_EVENT_PAGEFAULT)
		die("unexpected userfaultfd event %u", message.event);
	*address = message.arg.pagefault.address;
	return true;
}
