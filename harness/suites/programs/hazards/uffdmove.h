/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UFFDIO_MOVE: since 6.8; the headers of the build host may be older. */
#ifndef UFFDMOVE_H
#define UFFDMOVE_H

#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define FEATURE_MOVE (1u << 16)
struct move_request {
	uint64_t dst, src, len, mode;
	int64_t moved;
};
#define IOCTL_MOVE _IOWR(UFFDIO, 0x05, struct move_request)

#endif
