/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin of QEMU that counts the instructions which are executed between
 * the marks of a program (harness/suites/programs/common/marks.h), each by
 * its address and by the calls that led to it.
 *
 * It is for exact guests alone (-icount): there one virtual CPU runs at a
 * time, on one thread of the host, and nothing here needs a lock.
 *
 * How it is exact: each instruction adds one to a counter as it begins, so
 * when the next block begins it is known how many of the last block's have,
 * also where that was left in the middle.  An instruction that ends in a fault
 * is begun and not executed: QEMU does not count it, and so it is taken back.
 */
#ifndef COUNTING_H
#define COUNTING_H

#include "api.h"

#define MAX_LANES 16		/* things that are timed in a case */
#define MAX_DEPTH 256		/* calls of a task */

/* How a block ends. */
enum ending {
	GOES_ON,		/* at the next address, or nobody knows */
	JUMPS,			/* a branch that is no call and reads no memory */
	CALLS,
	RETURNS,
	LEAVES,			/* returns from an exception */
	TRAPS,			/* asks for an exception: it is executed, then */
};

/* What begins at an address that only the CPU itself goes to. */
enum entry_kind {
	NO_ENTRY,
	FAULT,			/* of an instruction, that is begun again */
	TRAP,			/* asked for by an instruction */
	INTERRUPT,
};

/* Instructions that were translated together, and are executed in order. */
struct block {
	uint64_t start, end;
	unsigned int id, count;		/* of instructions */
	uint8_t *sizes;
	uint8_t ending;
	uint8_t entry;			/* enum entry_kind of its start */
	bool user, written;
	struct bucket *bucket;		/* that was counted in last */
};

/* A call: what calls is `parent`, what is called begins at `address`. */
struct node {
	unsigned int parent;
	uint64_t address;
};

/* Executed: instructions `from` up to `to` of a block, in a node. */
struct bucket {
	struct block *block;
	unsigned int node, lane, from, to;
	uint64_t times;
};

enum { ROOT, USER, OTHERS, INTERRUPTS, FIRST_NODE };	/* nobody calls them */

/* arch.c */
struct decoder {
	const char *target;		/* QEMU's name */
	enum ending (*ending)(const uint8_t *code, size_t size);
	int (*mark)(const uint8_t *code, size_t size);	/* its code, or -1 */
	bool (*saves_task)(const uint8_t *code, size_t size);
	bool (*loads_task)(const uint8_t *code, size_t size);
};
const struct decoder *decoder_of(const char *target);

/* counters.c: instructions that began, and accesses that succeeded */
void make_counters(void);
void count_instruction(struct qemu_plugin_insn *insn);
void count_access(struct qemu_plugin_insn *insn);
uint64_t begun(unsigned int cpu);
uint64_t landed(unsigned int cpu);

/* entries.c: what the harness knows of the kernel */
void read_entries(const char *path);
enum entry_kind entry_at(uint64_t address);
bool in_switch(uint64_t address);

/* calls.c */
void start_calls(unsigned int cpus);
void follow(unsigned int cpu, const struct block *block);
void leave(unsigned int cpu, const struct block *block, bool whole);
void save_task(unsigned int cpu, uint64_t key);
void load_task(unsigned int cpu, uint64_t key);
unsigned int node_of(unsigned int cpu);
extern struct node *nodes;
extern unsigned int nr_nodes;

/* counts.c */
void open_case(void);
void open_repetition(bool measured);
void add(struct block *block, unsigned int node, unsigned int lane,
	 unsigned int from, unsigned int to);
void add_fault(unsigned int lane);
void write_counts(void);
void open_output(const char *path);
void close_output(void);

/* memory.c */
void *allocate(size_t size);
void *grow(void *old, size_t size);
void give_up(const char *why);
uint64_t mixed(uint64_t a, uint64_t b);

#endif
