// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

int vma_start_read(struct vma *vma)
{
	if (vma->locked)
		return 0;
	vma->locked = 1;
	return 1;
}

void vma_end_read(struct vma *vma)
{
	vma->locked = 0;
}
