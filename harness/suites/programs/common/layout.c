// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses.  Kernels that differ by one instruction draw other random numbers,
 * and so lay out the same program otherwise.  What is to be compared has none of
 * the kernel's choices: another seed is another layout, the same on each kernel.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#include "program.h"

#define ASK 0xffffffff

#define MOST_HELD 64	/* pages: as many as a CPU has in its list, or so */
#define TABLE_PAGES 512	/* a page table's, with pages of 4 KiB */

bool layout_is_fixed(void)
{
	int now = personality(ASK);

	return now != -1 && (now & ADDR_NO_RANDOMIZE);
}

/*
 * Begins the program again, by its own path: by /proc/self/exe the kernel would
 * call it "exe" in all that it says of it.  Where that is forbidden it goes on as
 * it is.
 */
void fix_layout(char **argv)
{
	int now = personality(ASK);
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (size <= 0 || now == -1 || now & ADDR_NO_RANDOMIZE ||
	    personality((unsigned int)now | ADDR_NO_RANDOMIZE) == -1)
		return;
	path[size] = '\0';
	(void)execv(path, argv);
	(void)personality((unsigned int)now);
}

/* From 1 to a page table's pages, by which what is mapped later is shifted. */
size_t layout_shift(uint64_t seed)
{
	return 1 + mix(seed ^ 0x5eed) % (TABLE_PAGES - 1);
}

/* Some pages that are held to the end, and a gap: both follow from the seed. */
void vary_layout(uint64_t seed)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t held = 1 + mix(seed ^ 0x4e1d) % MOST_HELD;
	volatile unsigned char *pages;
	size_t n;

	pages = mmap(NULL, held * page, PROT_RW, MAP_PRIVATE_ANON, -1, 0);
	if (pages == MAP_FAILED ||
	    mmap(NULL, layout_shift(seed) * page, PROT_NONE,
		 MAP_PRIVATE_ANON | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		die("mmap of what is held: %m");
	for (n = 0; n < held; n++)
		pages[n * page] = 1;
}
