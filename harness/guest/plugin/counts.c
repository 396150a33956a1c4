// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was counted, and how it is written down: a line a fact, numbers in
 * decimal, addresses in hexadecimal.
 *
 *	counting 1
 *	node ID PARENT ADDRESS		before it is used; 0 is nobody, 1 user mode, 2
 *					what nobody saw beginning, 3 interrupts
 *	block ID ADDRESS SIZES		sizes of its instructions, a digit each
 *	case NUMBER			from 1, in the order in which they began
 *	repetition NUMBER KIND LANE INSTRUCTIONS FAULTS
 *	count LANE NODE BLOCK FROM TO TIMES
 *	end NUMBER
 *	done
 *
 * Of a repetition KIND is "warmup" or "measured"; FAULTS are instructions that
 * were begun and not executed, and are in no number.  The counts are those of
 * the measured repetitions together.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"

struct repetition {
	bool measured;
	bool there[MAX_LANES];
	uint64_t instructions[MAX_LANES], faults[MAX_LANES];
};

static FILE *output;
static unsigned int nr_cases;
static struct repetition *repetitions;
static size_t nr_repetitions;
static struct bucket **table;
static size_t nr_places, nr_buckets;
static unsigned int written_nodes = FIRST_NODE;

void open_output(const char *path)
{
	output = fopen(path, "w");
	if (!output)
		give_up("the output cannot be written");
	fputs("counting 1\n", output);
}

/* --- buckets -------------------------------------------------------------- */

static size_t place_of(const struct bucket *wanted)
{
	uint64_t range = (uint64_t)wanted->from << 48 |
			 (uint64_t)wanted->to << 32 | wanted->lane;
	size_t at = mixed(mixed((uintptr_t)wanted->block, wanted->node), range);

	for (at &= nr_places - 1; table[at]; at = (at + 1) & (nr_places - 1))
		if (table[at]->block == wanted->block &&
		    table[at]->node == wanted->node &&
		    table[at]->lane == wanted->lane &&
		    table[at]->from == wanted->from &&
		    table[at]->to == wanted->to)
			break;
	return at;
}

static void make_room(void)
{
	struct bucket **old = table;
	size_t i, nr_old = nr_places;

	nr_places = nr_old ? 2 * nr_old : 1 << 16;
	table = allocate(nr_places * sizeof(*table));
	for (i = 0; i < nr_old; i++)
		if (old[i])
			table[place_of(old[i])] = old[i];
	free(old);
}

static struct bucket *bucket_of(const struct bucket *wanted)
{
	size_t at;

	if (2 * nr_buckets >= nr_places)
		make_room();
	at = place_of(wanted);
	if (!table[at]) {
		table[at] = allocate(sizeof(*wanted));
		*table[at] = *wanted;
		nr_buckets++;
	}
	return table[at];
}

/* Instructions `from` up to `to` of a block were executed once. */
void add(struct block *block, unsigned int node, unsigned int lane,
	 unsigned int from, unsigned int to)
{
	struct repetition *now = &repetitions[nr_repetitions - 1];
	struct bucket *last = block->bucket;

	if (from >= to)
		return;
	now->there[lane] = true;
	now->instructions[lane] += to - from;
	if (!now->measured)
		return;
	if (!last || last->node != node || last->lane != lane ||
	    last->from != from || last->to != to) {
		struct bucket wanted = { block, node, lane, from, to, 0 };

		last = block->bucket = bucket_of(&wanted);
	}
	last->times++;
}

void add_fault(unsigned int lane)
{
	repetitions[nr_repetitions - 1].faults[lane]++;
}

/* --- cases and repetitions ------------------------------------------------ */

void open_case(void)
{
	write_counts();
	nr_cases++;
	open_repetition(true);		/* of a program that tells of none */
}

void open_repetition(bool measured)
{
	const bool nothing[MAX_LANES] = { false };

	/* Nothing was timed yet in the one that comes with the case. */
	if (nr_repetitions == 1 &&
	    !memcmp(repetitions[0].there, nothing, sizeof(nothing)))
		nr_repetitions = 0;
	repetitions = grow(repetitions,
			   (nr_repetitions + 1) * sizeof(*repetitions));
	repetitions[nr_repetitions++] = (struct repetition){
		.measured = measured };
}

/* --- the output ----------------------------------------------------------- */

static void write_block(struct block *block)
{
	unsigned int i;

	if (block->written)
		return;
	block->written = true;
	fprintf(output, "block %u %" PRIx64 " ", block->id, block->start);
	for (i = 0; i < block->count; i++)
		putc("0123456789abcdef"[block->sizes[i] & 15], output);
	putc('\n', output);
}

static void write_repetitions(void)
{
	size_t i;
	unsigned int lane;

	for (i = 0; i < nr_repetitions; i++)
		for (lane = 0; lane < MAX_LANES; lane++)
			if (repetitions[i].there[lane])
				fprintf(output, "repetition %zu %s %u %" PRIu64
					" %" PRIu64 "\n", i + 1,
					repetitions[i].measured ? "measured" :
					"warmup", lane,
					repetitions[i].instructions[lane],
					repetitions[i].faults[lane]);
}

/* Of the case that ends now, if there was one. */
void write_counts(void)
{
	size_t i;

	if (!nr_cases)
		return;
	for (; written_nodes < nr_nodes; written_nodes++)
		fprintf(output, "node %u %u %" PRIx64 "\n", written_nodes,
			nodes[written_nodes].parent,
			nodes[written_nodes].address);
	fprintf(output, "case %u\n", nr_cases);
	write_repetitions();
	for (i = 0; i < nr_places; i++) {
		struct bucket *bucket = table[i];

		if (!bucket)
			continue;
		write_block(bucket->block);
		fprintf(output, "count %u %u %u %u %u %" PRIu64 "\n",
			bucket->lane, bucket->node, bucket->block->id,
			bucket->from, bucket->to, bucket->times);
		bucket->block->bucket = NULL;
		free(bucket);
		table[i] = NULL;
	}
	fprintf(output, "end %u\n", nr_cases);
	nr_buckets = 0;
	nr_repetitions = 0;
}

void close_output(void)
{
	write_counts();
	fputs("done\n", output);
	if (ferror(output) | fclose(output))
		give_up("the output was not written");
}
