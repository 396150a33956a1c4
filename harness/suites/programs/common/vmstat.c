// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The per-VMA lock counters.  They count for the whole system; they are read
 * right around what is measured, where nothing else should run.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

const char *const vmstat_names[VMSTAT_NR] = {
	"vma_lock_success", "vma_lock_abort", "vma_lock_retry", "vma_lock_miss",
};

/* The value after "\nNAME ", or false. */
static bool find_value(const char *text, const char *name, uint64_t *value)
{
	size_t length = strlen(name);
	const char *at = text;

	while ((at = strstr(at, name))) {
		if ((at == text || at[-1] == '\n') && at[length] == ' ') {
			*value = strtoull(at + length + 1, NULL, 10);
			return true;
		}
		at += length;
	}
	return false;
}

/* All of /proc/vmstat, to be read by one thread at a time; NULL: not there. */
static const char *read_text(void)
{
	static char text[1 << 16];
	size_t have = 0;
	ssize_t got;
	int fd;

	fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while (have < sizeof(text) - 1) {
		got = read(fd, text + have, sizeof(text) - 1 - have);
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	close(fd);
	text[have] = '\0';
	return text;
}

/* Any counter by its name; false if the kernel has it not. */
bool vmstat_value(const char *name, uint64_t *value)
{
	const char *text = read_text();

	return text && find_value(text, name, value);
}

void vmstat_read(struct vmstat *into)
{
	const char *text = read_text();
	size_t i;

	into->there = text;
	if (!text)
		return;
	for (i = 0; i < VMSTAT_NR; i++)
		if (!find_value(text, vmstat_names[i], &into->value[i]))
			into->there = false;
}

void vmstat_add(struct vmstat *sum, const struct vmstat *before,
		const struct vmstat *after)
{
	size_t i;

	sum->there = before->there && after->there;
	for (i = 0; sum->there && i < VMSTAT_NR; i++)
		sum->value[i] += after->value[i] - before->value[i];
}
