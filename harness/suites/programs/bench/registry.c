// SPDX-License-Identifier: GPL-2.0-or-later
/* The workloads there are: a new one is one more line here. */
#include "bench.h"

extern const struct workload page_fault1, page_fault2, page_fault3, mmap1, pft,
	malloc_churn;

const struct workload *const workloads[] = {
	&page_fault1, &page_fault2, &page_fault3, &mmap1, &pft, &malloc_churn,
};

const size_t nr_workloads = ARRAY_SIZE(workloads);
