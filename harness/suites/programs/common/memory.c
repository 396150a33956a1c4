// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <sys/mman.h>

#include "program.h"

/* NULL after fail(). */
unsigned char *map_pages(struct run *run, size_t size, int prot, int flags,
			 int fd)
{
	void *address = mmap(NULL, size, prot, flags, fd, 0);

	if (address == MAP_FAILED) {
		fail(run, "mmap of %zu bytes: %m", size);
		return NULL;
	}
	return address;
}

void unmap_pages(struct run *run, unsigned char *address, size_t size)
{
	if (address && munmap(address, size))
		fail(run, "munmap: %m");
}
