// SPDX-License-Identifier: GPL-2.0-or-later
/* What this program is, and the workloads there are. */
#include "hazards.h"

const struct program program = {
	.command = "hazards",
	.usage = "usage: hazards [OPTION]... WORKLOAD...\n"
		 "  --threads N    threads that fault, or processes (default 2)\n"
		 "  --ops N        operations of each (default: the workload's own)\n"
		 "  --seed N       of contents and random choices (default 1)\n"
		 "  --noise N      disturb the schedule, by this seed\n"
		 "  --clock NAME   monotonic (default), or counter: the CPU's own,\n"
		 "                 where an instruction is a nanosecond\n"
		 "  --dir DIR      where to put files (default /tmp)\n"
		 "  --own-machine  settings of the whole machine may be changed\n"
		 "                 (they are put back)\n"
		 "  --list         the workloads\n",
	.defaults = { .threads = 2, .seed = 1, .dir = "/tmp" },
	.may_own = true,
};

extern const struct workload same_unmap, same_discard, same_protect,
	same_forbid, near_unmap, near_protect, near_move, near_merge, grow,
	move, fork_storm, reuse, leaving, killed, uffd_copy, uffd_zero,
	uffd_move, storm, maps, naming, map_count, no_memory, pointers, stack,
	lock_stat, slab, ambush_protect, ambush_unmap, ambush_near, ambush_maps,
	ambush_query, move_last, fork_last, fork_flags, flags, uffd_refuse,
	kill_fork, uffd_within, query, sealed, numab, guard;

const struct workload *const workloads[] = {
	&same_unmap, &same_discard, &same_protect, &same_forbid, &near_unmap,
	&near_protect, &near_move, &near_merge, &grow, &move, &fork_storm,
	&move_last, &fork_last, &fork_flags, &flags, &ambush_protect,
	&ambush_unmap, &ambush_near, &ambush_maps, &ambush_query, &reuse,
	&leaving, &killed, &uffd_copy, &uffd_zero, &uffd_move, &uffd_refuse,
	&storm, &maps, &naming, &map_count, &no_memory, &pointers, &stack,
	&lock_stat, &slab, &kill_fork, &uffd_within, &query, &sealed, &numab,
	&guard,
};

const size_t nr_workloads = ARRAY_SIZE(workloads);
