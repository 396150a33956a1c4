// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /proc/self/maps and smaps say of memory that is mapped all the time,
 * whatever becomes of its VMAs: their lines cover it without a gap.  They may
 * overlap, for two reads of one file may see a VMA before and after a change.
 */
#include <stdio.h>
#include <string.h>

#include "hazards.h"

#define LINE_SIZE 256

static const char *copy_line(const char *text, char *line)
{
	size_t length = strcspn(text, "\n");

	snprintf(line, LINE_SIZE, "%.*s", (int)length, text);
	return text + length + (text[length] == '\n');
}

bool lines_cover(struct run *run, const char *path, const char *text,
		 const unsigned char *from, size_t size,
		 bool (*is_right)(const char *line, const char *prot))
{
	uintptr_t covered = (uintptr_t)from, wanted = covered + size;
	uintptr_t start, end;
	char line[LINE_SIZE], prot[5];

	while (*text) {
		text = copy_line(text, line);
		if (sscanf(line, "%lx-%lx %4s", &start, &end, prot) != 3 ||
		    end <= (uintptr_t)from || start >= wanted)
			continue;
		if (start > covered) {
			fail(run, "%s has a gap of %zu bytes in what is mapped",
			     path, (size_t)(start - covered));
			return false;
		}
		if (!is_right(line, prot)) {
			fail(run, "%s says %.80s", path, line);
			return false;
		}
		if (end > covered)
			covered = end;
	}
	if (covered < wanted)
		fail(run, "%s ends %zu bytes before what is mapped", path,
		     (size_t)(wanted - covered));
	return covered >= wanted;
}
