// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files of /proc and /sys that hold one number.  What is changed is put back,
 * at the end of a case and when the watchdog ends it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hazards.h"

/* Paths are literals. */
static struct {
	const char *path;
	long before;
} changed[8];
static size_t nr_changed;

bool read_setting(const char *path, long *value)
{
	char text[64];
	ssize_t got;
	char *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	*value = strtol(text, &end, 10);
	return end != text;
}

static bool write_setting(const char *path, long value)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld", value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, (size_t)length) == length;
	close(fd);
	return good;
}

bool change_setting(const char *path, long value)
{
	long before;
	bool known = read_setting(path, &before);

	if (!write_setting(path, value))
		return false;
	/* Others are switches (Y or N) that nothing else depends on. */
	if (known && nr_changed < ARRAY_SIZE(changed)) {
		changed[nr_changed].path = path;
		changed[nr_changed++].before = before;
	}
	return true;
}

void put_settings_back(void)
{
	while (nr_changed) {
		nr_changed--;
		(void)write_setting(changed[nr_changed].path,
				    changed[nr_changed].before);
	}
}
