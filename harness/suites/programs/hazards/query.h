/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ioctl of /proc/PID/maps.  Since 6.11; the build host's may be older. */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct query {
	uint64_t size, flags, address, start, end, vma_flags, page_size;
	uint64_t offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name, build_id;
};
#define QUERY _IOWR('f', 17, struct query)
#define READABLE 0x01u
#define WRITABLE 0x02u
#define COVERING_OR_NEXT 0x10u
#define NO_QUERY "this kernel has no PROCMAP_QUERY (since 6.11)"

/* For the VMA at an address, or behind it.  False: errno says why not. */
static inline bool ask_for_vma(int fd, const void *address, uint64_t flags,
			       struct query *query)
{
	*query = (struct query){ .size = sizeof(*query),
				 .flags = flags | COVERING_OR_NEXT,
				 .address = (uintptr_t)address };
	return !ioctl(fd, QUERY, query);
}

#endif
