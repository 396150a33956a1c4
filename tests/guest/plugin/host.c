// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU that executes what it is told: the plugin is linked with it, and a
 * script on standard input says which blocks are translated and executed.
 *
 *	block NUMBER ADDRESS CODE CODE ...	instructions in hexadecimal
 *	run NUMBER CPU COUNT [INDEX:ADDRESS ...]  the first COUNT begin; accesses
 *					of instructions that succeed
 *
 * As in QEMU the callback of a block comes before its instructions, and that
 * of an instruction before what it adds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define MOST 128
#define CPUS 4

struct qemu_plugin_insn {
	uint8_t code[16];
	size_t size;
	executed_callback executed;
	access_callback accessed;
	void *executed_data, *accessed_data;
	bool counts, counts_access;
#if API < 2
	uint64_t *counter, *access_counter;
#else
	struct entry counter, access_counter;
#endif
};

struct qemu_plugin_tb {
	uint64_t address;
	size_t count;
	struct qemu_plugin_insn insns[MOST];
	executed_callback executed;
	void *executed_data;
};

static struct qemu_plugin_tb blocks[MOST];
static void (*translated)(ID_GIVEN struct qemu_plugin_tb *tb DATA_GIVEN);
static void (*at_exit)(ID_GIVEN void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return tb->count;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
	return tb->address;
}

struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index)
{
	return (struct qemu_plugin_insn *)&tb->insns[index];
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	return insn->size;
}

#if API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn)
{
	return insn->code;
}
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *into,
			     size_t size)
{
	size = size < insn->size ? size : insn->size;
	memcpy(into, insn->code, size);
	return size;
}
#endif

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  executed_callback callback,
					  int flags, void *data)
{
	(void)flags;
	tb->executed = callback;
	tb->executed_data = data;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    executed_callback callback,
					    int flags, void *data)
{
	(void)flags;
	insn->executed = callback;
	insn->executed_data = data;
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      access_callback callback, int flags,
				      int accesses, void *data)
{
	(void)flags, (void)accesses;
	insn->accessed = callback;
	insn->accessed_data = data;
}

#if API < 2
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						int op, void *counter,
						uint64_t value)
{
	(void)op, (void)value;
	insn->counts = true;
	insn->counter = counter;
}

void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn,
					  int accesses, int op, void *counter,
					  uint64_t value)
{
	(void)op, (void)value, (void)accesses;
	insn->counts_access = true;
	insn->access_counter = counter;
}

static void add_one(uint64_t *counter, unsigned int cpu)
{
	(void)cpu;
	++*counter;
}
#else
struct qemu_plugin_scoreboard {
	uint64_t values[CPUS][8];
};

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size)
{
	(void)size;
	return calloc(1, sizeof(struct qemu_plugin_scoreboard));
}

uint64_t qemu_plugin_u64_get(struct entry entry, unsigned int cpu)
{
	return entry.score->values[cpu][entry.offset / sizeof(uint64_t)];
}

void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, int op, struct entry entry,
	uint64_t value)
{
	(void)op, (void)value;
	insn->counts = true;
	insn->counter = entry;
}

void qemu_plugin_register_vcpu_mem_inline_per_vcpu(
	struct qemu_plugin_insn *insn, int accesses, int op,
	struct entry entry, uint64_t value)
{
	(void)op, (void)value, (void)accesses;
	insn->counts_access = true;
	insn->access_counter = entry;
}

static void add_one(struct entry entry, unsigned int cpu)
{
	entry.score->values[cpu][entry.offset / sizeof(uint64_t)]++;
}
#endif

void qemu_plugin_register_vcpu_tb_trans_cb(
	plugin_id id,
	void (*callback)(ID_GIVEN struct qemu_plugin_tb *tb DATA_GIVEN)
#if API >= 7
	, void *data
#endif
	)
{
	(void)id;
#if API >= 7
	(void)data;
#endif
	translated = callback;
}

void qemu_plugin_register_atexit_cb(plugin_id id,
				    void (*callback)(ID_GIVEN void *data),
				    void *data)
{
	(void)id, (void)data;
	at_exit = callback;
}

static void translate(char *words)
{
	struct qemu_plugin_tb *tb = &blocks[strtoul(strtok(words, " \n"), NULL, 10)];
	const char *word;

	memset(tb, 0, sizeof(*tb));
	tb->address = strtoull(strtok(NULL, " \n"), NULL, 16);
	while ((word = strtok(NULL, " \n"))) {
		struct qemu_plugin_insn *insn = &tb->insns[tb->count++];

		for (; word[2 * insn->size]; insn->size++)
			sscanf(word + 2 * insn->size, "%2hhx",
			       &insn->code[insn->size]);
	}
#if API < 7
	translated(1, tb);
#else
	translated(tb, NULL);
#endif
}

static void execute(char *words)
{
	struct qemu_plugin_tb *tb = &blocks[strtoul(strtok(words, " \n"), NULL, 10)];
	unsigned int cpu = (unsigned int)strtoul(strtok(NULL, " \n"), NULL, 10);
	size_t i, count = strtoul(strtok(NULL, " \n"), NULL, 10);
	size_t index[MOST], nr = 0, access;
	uint64_t address[MOST];
	const char *word;

	while ((word = strtok(NULL, " \n")))
		if (sscanf(word, "%zu:%" SCNx64, &index[nr], &address[nr]) == 2)
			nr++;
	tb->executed(cpu, tb->executed_data);
	for (i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = &tb->insns[i];

		if (insn->executed)
			insn->executed(cpu, insn->executed_data);
		if (insn->counts)
			add_one(insn->counter, cpu);
		for (access = 0; access < nr; access++) {
			if (index[access] != i)
				continue;
			if (insn->counts_access)
				add_one(insn->access_counter, cpu);
			if (insn->accessed)
				insn->accessed(cpu, 0, address[access],
					       insn->accessed_data);
		}
	}
}

int main(int argc, char **argv)
{
	struct info info = { .target_name = argv[1], .system_emulation = true,
			     .system = { CPUS, CPUS } };
	char line[4096];

	if (qemu_plugin_version != API)
		return 2;
	if (qemu_plugin_install(1, &info, argc - 2, argv + 2))
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		if (!strncmp(line, "block ", 6))
			translate(line + 6);
		else if (!strncmp(line, "run ", 4))
			execute(line + 4);
	}
#if API < 7
	at_exit(1, NULL);
#else
	at_exit(NULL);
#endif
	return 0;
}
