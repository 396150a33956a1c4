// SPDX-License-Identifier: GPL-2.0-or-later
/* What QEMU calls: blocks are translated and begun, marks are executed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"

#define MARK_CASE 0x01
#define MARK_WARMUP 0x02
#define MARK_MEASURED 0x03
#define MARK_BEGIN 0x10
#define MARK_END 0x20

int qemu_plugin_version = API;

static const struct decoder *decoder;
static unsigned int nr_blocks;
static bool watching;		/* a case has begun */

/* Begun last: the block, where, and from which instruction on each lane. */
static struct block *last;
static unsigned int last_cpu, last_node;
static uint64_t last_begun, last_landed;
static unsigned int from[MAX_LANES];

/*
 * What a CPU began last when another one's turn came: whether it was executed
 * shows when the CPU goes on.
 */
struct held {
	struct block *block;
	unsigned int node, index;
	bool timed[MAX_LANES];
	bool may_fault;
};

static struct held *held;	/* of each CPU */
static unsigned int nr_cpus;

static unsigned int open[MAX_LANES];	/* threads that are timed */
static unsigned int nr_open;		/* lanes */

/* --- execution ------------------------------------------------------------ */

/*
 * Whether the last instruction that began may be ended by a fault that comes
 * next.  If not, such a fault is that of fetching the next instruction.
 */
static bool may_fault(unsigned int count)
{
	if (count < last->count)
		return true;
	if (last->ending == TRAPS || last->ending == JUMPS)
		return false;
	return !last->user || landed(last_cpu) == last_landed;
}

/* Instructions up to `count` of the last block are executed, in all lanes. */
static void add_last(unsigned int count, bool taken_back)
{
	unsigned int lane;

	if (!nr_open)
		return;
	for (lane = 0; lane < MAX_LANES; lane++) {
		if (!open[lane])
			continue;
		if (taken_back && from[lane] <= count)
			add_fault(lane);
		add(last, last_node, lane, from[lane], count);
		from[lane] = 0;
	}
}

/* The same CPU goes on, at an entry of that kind or at none. */
static void settle(enum entry_kind entry)
{
	unsigned int count = (unsigned int)(begun(last_cpu) - last_begun);
	bool taken_back = entry == FAULT && count && may_fault(count);

	add_last(count - taken_back, taken_back);
	leave(last_cpu, last, count == last->count && !taken_back);
}

/* It is another CPU's turn. */
static void hold(void)
{
	unsigned int lane, count = (unsigned int)(begun(last_cpu) - last_begun);
	struct held *now = &held[last_cpu];

	leave(last_cpu, last, count == last->count);
	if (!count)
		return;
	now->block = last;
	now->node = last_node;
	now->index = count - 1;
	now->may_fault = may_fault(count);
	for (lane = 0; lane < MAX_LANES; lane++)
		now->timed[lane] = open[lane] && from[lane] < count;
	add_last(count - 1, false);
}

static void release(unsigned int cpu, enum entry_kind entry)
{
	struct held *now = &held[cpu];
	unsigned int lane;

	for (lane = 0; now->block && lane < MAX_LANES; lane++) {
		if (!now->timed[lane] || !open[lane])
			continue;
		if (entry == FAULT && now->may_fault)
			add_fault(lane);
		else
			add(now->block, now->node, lane, now->index,
			    now->index + 1);
	}
	now->block = NULL;
}

static void begin_block(unsigned int cpu, void *data)
{
	struct block *block = data;

	if (!watching)
		return;
	if (last && cpu == last_cpu)
		settle(block->entry);
	else if (last)
		hold();
	release(cpu, block->entry);
	follow(cpu, block);
	last = block;
	last_cpu = cpu;
	last_node = node_of(cpu);
	last_begun = begun(cpu);
	last_landed = landed(cpu);
}

static void begin_timing(unsigned int lane, unsigned int index)
{
	if (open[lane]++)
		return;
	nr_open++;
	from[lane] = last ? index : 0;
}

static void end_timing(unsigned int lane, unsigned int index)
{
	unsigned int cpu;

	if (!open[lane] || --open[lane])
		return;
	nr_open--;
	if (last)
		add(last, last_node, lane, from[lane], index + 1);
	from[lane] = 0;
	/* What other CPUs began last most likely ended well. */
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (held[cpu].block && held[cpu].timed[lane])
			add(held[cpu].block, held[cpu].node, lane,
			    held[cpu].index, held[cpu].index + 1);
		held[cpu].timed[lane] = false;
	}
}

/* A mark begins: its code, and the how manieth instruction of its block. */
static void begin_mark(unsigned int cpu, void *data)
{
	unsigned int code = (uintptr_t)data & 0xff, index = (uintptr_t)data >> 8;

	(void)cpu;
	if (code == MARK_CASE) {
		/* A thread that was killed has left its time open. */
		memset(open, 0, sizeof(open));
		nr_open = 0;
		open_case();
		watching = true;
	}
	if (!watching)
		return;
	if (code == MARK_WARMUP || code == MARK_MEASURED)
		open_repetition(code == MARK_MEASURED);
	else if (code >= MARK_BEGIN && code < MARK_BEGIN + MAX_LANES)
		begin_timing(code - MARK_BEGIN, index);
	else if (code >= MARK_END && code < MARK_END + MAX_LANES)
		end_timing(code - MARK_END, index);
}

static void access_task(unsigned int cpu, uint32_t info, uint64_t address,
			void *data)
{
	static uint64_t before;

	(void)info;
	/* Two registers that are moved together are two accesses. */
	if (watching && address != before + 8)
		(data ? load_task : save_task)(cpu, address);
	before = address;
}

/* --- translation ---------------------------------------------------------- */

static size_t code_of(const struct qemu_plugin_insn *insn, uint8_t code[16])
{
	size_t size = qemu_plugin_insn_size(insn);

	size = size > 15 ? 15 : size;
#if API < 3
	memcpy(code, qemu_plugin_insn_data(insn), size);
	return size;
#else
	return qemu_plugin_insn_data(insn, code, size);
#endif
}

static void translate(ID_GIVEN struct qemu_plugin_tb *tb DATA_GIVEN)
{
	struct block *block = allocate(sizeof(*block));
	unsigned int i, count = (unsigned int)qemu_plugin_tb_n_insns(tb);

	block->id = nr_blocks++;
	block->count = count;
	block->start = block->end = qemu_plugin_tb_vaddr(tb);
	block->user = !(block->start >> 63);
	block->entry = entry_at(block->start);
	block->sizes = allocate(count);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, begin_block, NO_REGISTERS,
					     block);
	for (i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[16];
		size_t size = code_of(insn, code);
		int mark = decoder->mark(code, size);

		block->sizes[i] = (uint8_t)size;
		if (mark >= 0 && block->user)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, begin_mark, NO_REGISTERS,
				(void *)(uintptr_t)(i << 8 | (unsigned int)mark));
		if (in_switch(block->end) && (decoder->saves_task(code, size) ||
					      decoder->loads_task(code, size)))
			qemu_plugin_register_vcpu_mem_cb(
				insn, access_task, NO_REGISTERS, ACCESSES,
				(void *)(uintptr_t)decoder->loads_task(code,
								       size));
		count_instruction(insn);
		if (i + 1 == count) {
			count_access(insn);
			block->ending = (uint8_t)decoder->ending(code, size);
		}
		block->end += size;
	}
#if API < 7
	(void)id;
#else
	(void)data;
#endif
}

/* --- life ----------------------------------------------------------------- */

static void finish(ID_GIVEN void *data)
{
	if (last)
		settle(NO_ENTRY);
	close_output();
	(void)data;
#if API < 7
	(void)id;
#endif
}

static const char *value_of(const char *name, int argc, char **argv)
{
	size_t length = strlen(name);
	int i;

	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], name, length) && argv[i][length] == '=')
			return argv[i] + length + 1;
	return NULL;
}

EXPORT int qemu_plugin_install(plugin_id id, const struct info *info, int argc,
			       char **argv)
{
	const char *out = value_of("out", argc, argv);
	const char *entries = value_of("entries", argc, argv);

	decoder = decoder_of(info->target_name);
	if (!decoder || !info->system_emulation || !out || !entries) {
		fputs("counting: wants out=FILE,entries=FILE, and a system "
		      "that it knows\n", stderr);
		return 1;
	}
	read_entries(entries);
	open_output(out);
	make_counters();
	nr_cpus = (unsigned int)info->system.max_vcpus;
	start_calls(nr_cpus);
	held = allocate(nr_cpus * sizeof(*held));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate NO_DATA);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
