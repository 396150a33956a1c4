// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of /proc and /sys that hold one number. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hazards.h"

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

bool write_setting(const char *path, long value)
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
