// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What pages must contain.
 *
 * A filled page has a sequence that starts at a number made of seed and page
 * number.  A touched page has one word, never zero, made of seed, page number
 * and round; where in the page it stands follows from the same, so that what
 * an earlier round left behind is seen.
 */
#include "program.h"

#define STEP 0x9e3779b97f4a7c15u

uint64_t mix(uint64_t value)
{
	value ^= value >> 31;
	value *= 0xd6e8feb86659fd93u;
	value ^= value >> 29;
	value *= 0xff51afd7ed558ccdu;
	return value ^ value >> 32;
}

uint64_t random_next(uint64_t *state)
{
	*state += STEP;
	return mix(*state);
}

static size_t words(const struct run *run)
{
	return run->page_size / sizeof(uint64_t);
}

static uint64_t fill_base(const struct run *run, size_t number)
{
	return mix(run->opt.seed * STEP + number);
}

static uint64_t mark_value(const struct run *run, size_t number)
{
	return mix(fill_base(run, number) + run->round + 1) | 1;
}

static size_t mark_place(const struct run *run, size_t number)
{
	return (number * 7 + run->round * 13 + run->opt.seed) % words(run);
}

void fill_page(const struct run *run, unsigned char *page, size_t number)
{
	uint64_t *word = (uint64_t *)page;
	uint64_t value = fill_base(run, number);
	size_t i;

	for (i = 0; i < words(run); i++, value += STEP)
		word[i] = value;
}

void touch_page(const struct run *run, unsigned char *page, size_t number)
{
	volatile uint64_t *word = (uint64_t *)page;

	noise_point();
	word[mark_place(run, number)] = mark_value(run, number);
}

void untouch_page(const struct run *run, unsigned char *page, size_t number)
{
	size_t place = mark_place(run, number);

	((uint64_t *)page)[place] = fill_base(run, number) + place * STEP;
}

static bool wrong(struct run *run, const char *what, size_t number,
		  size_t place, uint64_t found, uint64_t wanted)
{
	fail(run, "%s page %zu word %zu is %#llx instead of %#llx", what,
	     number, place, (unsigned long long)found,
	     (unsigned long long)wanted);
	return false;
}

/* One word of a filled page: the least that a read can touch. */
bool read_page(struct run *run, const unsigned char *page, size_t number)
{
	const volatile uint64_t *word = (const uint64_t *)page;
	size_t place = mark_place(run, number);
	uint64_t wanted = fill_base(run, number) + place * STEP;
	uint64_t found = word[place];

	return found == wanted ||
	       wrong(run, "read", number, place, found, wanted);
}

bool check_filled(struct run *run, const unsigned char *page, size_t number)
{
	const uint64_t *word = (const uint64_t *)page;
	uint64_t value = fill_base(run, number);
	size_t i;

	for (i = 0; i < words(run); i++, value += STEP)
		if (word[i] != value)
			return wrong(run, "filled", number, i, word[i], value);
	return true;
}

bool is_zero(const struct run *run, const unsigned char *page)
{
	const uint64_t *word = (const uint64_t *)page;
	size_t i;

	for (i = 0; i < words(run); i++)
		if (word[i])
			return false;
	return true;
}

/* The word alone: the least that tells whether it was written. */
bool check_mark(struct run *run, const unsigned char *page, size_t number)
{
	const volatile uint64_t *word = (const uint64_t *)page;
	size_t place = mark_place(run, number);
	uint64_t wanted = mark_value(run, number);
	uint64_t found = word[place];

	return found == wanted ||
	       wrong(run, "marked", number, place, found, wanted);
}

bool check_touched(struct run *run, const unsigned char *page, size_t number)
{
	const uint64_t *word = (const uint64_t *)page;
	size_t mark = mark_place(run, number);
	size_t i;

	for (i = 0; i < words(run); i++) {
		uint64_t value = i == mark ? mark_value(run, number) : 0;

		if (word[i] != value)
			return wrong(run, "touched", number, i, word[i], value);
	}
	return true;
}

bool check_touched_filled(struct run *run, const unsigned char *page,
			  size_t number)
{
	const uint64_t *word = (const uint64_t *)page;
	size_t mark = mark_place(run, number);
	uint64_t value = fill_base(run, number);
	size_t i;

	for (i = 0; i < words(run); i++, value += STEP) {
		uint64_t wanted = i == mark ? mark_value(run, number) : value;

		if (word[i] != wanted)
			return wrong(run, "written", number, i, word[i], wanted);
	}
	return true;
}

/*
 * For pages that another thread may empty at any moment: each word is read
 * once, and only the mark may be anything but zero.  `found` is the mark.
 */
bool check_touched_or_zero(struct run *run, const unsigned char *page,
			   size_t number, uint64_t *found)
{
	const volatile uint64_t *word = (const uint64_t *)page;
	size_t mark = mark_place(run, number);
	uint64_t wanted = mark_value(run, number);
	size_t i;

	*found = 0;
	for (i = 0; i < words(run); i++) {
		uint64_t value = word[i];

		if (i == mark)
			*found = value;
		if (value && (i != mark || value != wanted))
			return wrong(run, "raced", number, i, value,
				     i == mark ? wanted : 0);
	}
	return true;
}
