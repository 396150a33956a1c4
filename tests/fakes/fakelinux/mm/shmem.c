// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

int shmem_fault(struct vma *vma)
{
	return handle_fault(vma, vma->start);
}
