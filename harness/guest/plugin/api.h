/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of QEMU's plugin interface that is used here, declared by
 * ourselves: Debian ships no qemu-plugin.h.  API is the version that the QEMU
 * at hand speaks (docs/devel/tcg-plugins.rst of QEMU):
 *
 *	1	QEMU 4.2 to 8.2
 *	2	9.0: operations inline count per CPU, in a scoreboard
 *	3	9.1: qemu_plugin_insn_data() copies
 *	4 to 6	9.2 to 11.0: additions that are not needed here
 *	7	11.1: callbacks are given user data instead of the plugin's id
 */
#ifndef API_H
#define API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* qemu_info_t */
struct info {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus, max_vcpus;
	} system;
};

enum { NO_REGISTERS = 0 };			/* enum qemu_plugin_cb_flags */
enum { READS = 1, WRITES = 2, ACCESSES = 3 };	/* enum qemu_plugin_mem_rw */
enum { INLINE_ADD = 0 };			/* enum qemu_plugin_op */

typedef void (*executed_callback)(unsigned int cpu, void *data);
typedef void (*access_callback)(unsigned int cpu, uint32_t info,
				uint64_t address, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  executed_callback callback,
					  int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    executed_callback callback,
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      access_callback callback, int flags,
				      int accesses, void *data);

#if API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn,
			     void *into, size_t size);
#endif

#if API < 2
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						int op, void *counter,
						uint64_t value);
void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn,
					  int accesses, int op, void *counter,
					  uint64_t value);
#else
struct qemu_plugin_scoreboard;
struct entry {				/* qemu_plugin_u64 */
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_get(struct entry entry, unsigned int cpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, int op, struct entry entry,
	uint64_t value);
void qemu_plugin_register_vcpu_mem_inline_per_vcpu(
	struct qemu_plugin_insn *insn, int accesses, int op,
	struct entry entry, uint64_t value);
#endif

#if API < 7
#define ID_GIVEN plugin_id id,
#define DATA_GIVEN
#define NO_DATA
#else
#define ID_GIVEN
#define DATA_GIVEN , void *data
#define NO_DATA , NULL
#endif
void qemu_plugin_register_vcpu_tb_trans_cb(
	plugin_id id,
	void (*callback)(ID_GIVEN struct qemu_plugin_tb *tb DATA_GIVEN)
#if API >= 7
	, void *data
#endif
	);
void qemu_plugin_register_atexit_cb(plugin_id id,
				    void (*callback)(ID_GIVEN void *data),
				    void *data);

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id id, const struct info *info,
			       int argc, char **argv);

#endif
