// SPDX-License-Identifier: GPL-2.0-or-later
/* The workloads there are: a new one is one more line here. */
#include "faults.h"

extern const struct workload anon, shared, file_read, file_write, cow, refault,
	stack, uffd, race_mmap, race_munmap, race_mprotect, race_mremap;

const struct workload *const workloads[] = {
	&anon, &shared, &file_read, &file_write, &cow, &refault, &stack, &uffd,
	&race_mmap, &race_munmap, &race_mprotect, &race_mremap,
};

const size_t nr_workloads = ARRAY_SIZE(workloads);
