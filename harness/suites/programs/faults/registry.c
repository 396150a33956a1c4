// SPDX-License-Identifier: GPL-2.0-or-later
/* The workloads there are: a new one is one more line here. */
#include <string.h>

#include "faults.h"

extern const struct workload anon, shared, file_read, file_write, cow, refault,
	stack, uffd, race_mmap, race_munmap, race_mprotect, race_mremap;

const struct workload *const workloads[] = {
	&anon, &shared, &file_read, &file_write, &cow, &refault, &stack, &uffd,
	&race_mmap, &race_munmap, &race_mprotect, &race_mremap,
};

const size_t nr_workloads = ARRAY_SIZE(workloads);

const struct workload *find_workload(const char *name)
{
	size_t i;

	for (i = 0; i < nr_workloads; i++)
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	return NULL;
}
