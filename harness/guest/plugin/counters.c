// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters that QEMU itself counts up, without a call of ours. */
#include "counting.h"

/* Instructions that began, and accesses of blocks' last ones that succeeded. */
struct counters {
	uint64_t begun, landed;
};

#if API < 2
static struct counters counters;

void count_instruction(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD,
						   &counters.begun, 1);
}

void count_access(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_mem_inline(insn, ACCESSES, INLINE_ADD,
					     &counters.landed, 1);
}

void make_counters(void)
{
}

uint64_t begun(unsigned int cpu)
{
	(void)cpu;
	return counters.begun;
}

uint64_t landed(unsigned int cpu)
{
	(void)cpu;
	return counters.landed;
}
#else
static struct entry begun_entry, landed_entry;

void count_instruction(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
		insn, INLINE_ADD, begun_entry, 1);
}

void count_access(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_mem_inline_per_vcpu(
		insn, ACCESSES, INLINE_ADD, landed_entry, 1);
}

void make_counters(void)
{
	begun_entry.score = landed_entry.score =
		qemu_plugin_scoreboard_new(sizeof(struct counters));
	begun_entry.offset = offsetof(struct counters, begun);
	landed_entry.offset = offsetof(struct counters, landed);
}

uint64_t begun(unsigned int cpu)
{
	return qemu_plugin_u64_get(begun_entry, cpu);
}

uint64_t landed(unsigned int cpu)
{
	return qemu_plugin_u64_get(landed_entry, cpu);
}
#endif
