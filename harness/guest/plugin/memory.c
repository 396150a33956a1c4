// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory, and what to do without. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"

/* Nothing that was counted would be true any more. */
void give_up(const char *why)
{
	fprintf(stderr, "counting: %s\n", why);
	exit(1);
}

void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		give_up("out of memory");
	return memory;
}

void *grow(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (!memory)
		give_up("out of memory");
	return memory;
}

/* For tables: 64 well-mixed bits of two numbers. */
uint64_t mixed(uint64_t a, uint64_t b)
{
	uint64_t value = (a ^ (b << 32 | b >> 32)) * 0x9e3779b97f4a7c15u;

	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93u;
	return value ^ value >> 32;
}
