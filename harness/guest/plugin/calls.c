// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By which calls the kernel came to where it is.
 *
 * Each task has a stack of the calls that have not returned.  A return is
 * told by where it leads: to the address behind a call of this stack, and all
 * calls above it are over then, too.  A return that leads elsewhere is a jump
 * in disguise (a retpoline), or goes back to what was called before anybody
 * watched.  An exception is a call as well, from what it interrupts, with a
 * fence that returns do not pass; an interrupt has nothing to do with what it
 * interrupts, and so it is called by INTERRUPTS.  Tasks are told apart by where
 * the switch of tasks saves the stack pointer.  In user mode there are no
 * calls.
 *
 * None of this has a part in what is counted: only in what is shown above it.
 */
#include <stdlib.h>

#include "counting.h"

struct frame {
	uint64_t back;		/* where it returns to; a fence: unused */
	unsigned int node;	/* that made the call */
	bool fence;
	uint8_t pending;	/* fence: enum ending of what it interrupted */
};

struct task {
	uint64_t key;		/* 0: not known yet */
	struct task *next;
	unsigned int node;
	size_t depth;
	struct frame frames[MAX_DEPTH];
};

struct cpu {
	struct task *task;
	uint8_t pending;	/* how the last block ended */
};

#define NR_CHAINS 4096

struct node *nodes;
unsigned int nr_nodes;
static unsigned int *children;	/* of (parent, address), open addressing */
static size_t nr_children;	/* places; a power of two */
static struct cpu *cpus;
static struct task *tasks[NR_CHAINS];

/* --- the tree of calls ---------------------------------------------------- */

static size_t place_of(unsigned int parent, uint64_t address)
{
	size_t at = mixed(address, parent) & (nr_children - 1);

	while (children[at] && (nodes[children[at]].parent != parent ||
				nodes[children[at]].address != address))
		at = (at + 1) & (nr_children - 1);
	return at;
}

static void make_room(void)
{
	unsigned int i;

	free(children);
	nr_children *= 2;
	children = allocate(nr_children * sizeof(*children));
	nodes = grow(nodes, nr_children / 2 * sizeof(*nodes));
	for (i = FIRST_NODE; i < nr_nodes; i++)
		children[place_of(nodes[i].parent, nodes[i].address)] = i;
}

static unsigned int child(unsigned int parent, uint64_t address)
{
	size_t at = place_of(parent, address);

	if (children[at])
		return children[at];
	if (nr_nodes >= nr_children / 2) {
		make_room();
		at = place_of(parent, address);
	}
	nodes[nr_nodes] = (struct node){ parent, address };
	return children[at] = nr_nodes++;
}

/* --- tasks ---------------------------------------------------------------- */

static struct task *new_task(void)
{
	struct task *task = allocate(sizeof(*task));

	task->node = OTHERS;
	return task;
}

static struct task **chain_of(uint64_t key)
{
	return &tasks[mixed(key, 0) % NR_CHAINS];
}

/* The task of this CPU is the one that is kept at `key`. */
void save_task(unsigned int cpu, uint64_t key)
{
	struct task *task = cpus[cpu].task, **link;

	if (task->key == key)
		return;
	if (task->key) {
		/* It is another one than we thought. */
		cpus[cpu].task = task = new_task();
	}
	for (link = chain_of(key); *link; link = &(*link)->next)
		if ((*link)->key == key) {
			struct task *old = *link;

			*link = old->next;
			free(old);
			break;
		}
	task->key = key;
	task->next = *chain_of(key);
	*chain_of(key) = task;
}

void load_task(unsigned int cpu, uint64_t key)
{
	struct task *task;

	for (task = *chain_of(key); task; task = task->next)
		if (task->key == key)
			break;
	if (!task) {
		task = new_task();
		task->key = key;
		task->next = *chain_of(key);
		*chain_of(key) = task;
	}
	cpus[cpu].task = task;
}

/* --- calls ---------------------------------------------------------------- */

void start_calls(unsigned int nr_cpus)
{
	unsigned int i;

	nr_children = 1 << 16;
	children = allocate(nr_children * sizeof(*children));
	nodes = allocate(nr_children / 2 * sizeof(*nodes));
	nr_nodes = FIRST_NODE;
	cpus = allocate(nr_cpus * sizeof(*cpus));
	for (i = 0; i < nr_cpus; i++)
		cpus[i].task = new_task();
}

unsigned int node_of(unsigned int cpu)
{
	return cpus[cpu].task->node;
}

static void push(struct task *task, struct frame frame)
{
	/* Deeper than a kernel's stack: something was missed. */
	if (task->depth == MAX_DEPTH) {
		task->depth = 0;
		task->node = OTHERS;
	}
	task->frames[task->depth++] = frame;
}

static void come_back(struct task *task, uint64_t address)
{
	size_t depth = task->depth;
	struct frame *top;

	while (depth && !task->frames[depth - 1].fence) {
		if (task->frames[depth - 1].back == address) {
			task->node = task->frames[depth - 1].node;
			task->depth = depth - 1;
			return;
		}
		depth--;
	}
	if (depth == task->depth) {
		task->node = child(OTHERS, address);
		return;
	}
	top = &task->frames[--task->depth];
	task->node = child(top->node, address);
}

static void drop_to_fence(struct cpu *cpu)
{
	struct task *task = cpu->task;
	size_t depth = task->depth;

	while (depth && !task->frames[depth - 1].fence)
		depth--;
	if (!depth)
		return;
	task->depth = depth - 1;
	task->node = task->frames[depth - 1].node;
	cpu->pending = task->frames[depth - 1].pending;
}

static void arrive(struct cpu *cpu, const struct block *block)
{
	struct task *task = cpu->task;

	switch (cpu->pending) {
	case CALLS:
		task->node = child(task->node, block->start);
		break;
	case RETURNS:
		come_back(task, block->start);
		break;
	default:
		break;
	}
}

/* A block begins: who called it? */
void follow(unsigned int number, const struct block *block)
{
	struct cpu *cpu = &cpus[number];
	struct task *task = cpu->task;

	if (block->user) {
		task->depth = 0;
		task->node = USER;
	} else if (block->entry) {
		struct frame fence = { .node = task->node, .fence = true };
		unsigned int caller = task->node == USER ? ROOT : task->node;

		/* What faults is begun again: it has led to nothing. */
		if (block->entry == INTERRUPT) {
			fence.pending = cpu->pending;
			caller = INTERRUPTS;
		}
		push(task, fence);
		task->node = child(caller, block->start);
	} else if (cpu->pending == LEAVES) {
		cpu->pending = GOES_ON;
		drop_to_fence(cpu);
		arrive(cpu, block);
	} else {
		arrive(cpu, block);
	}
	cpu->pending = GOES_ON;
}

/* A block is over, all of it or not. */
void leave(unsigned int number, const struct block *block, bool whole)
{
	struct cpu *cpu = &cpus[number];

	if (!whole || block->user)
		return;
	cpu->pending = block->ending;
	if (block->ending == CALLS)
		push(cpu->task, (struct frame){ .back = block->end,
						.node = cpu->task->node });
}
