// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

int handle_fault(struct vma *vma, unsigned long address)
{
	int result = 0;

	if (!vma_start_read(vma))
		return -1;
	if (address < vma->start || address >= vma->end)
		result = -2;
	vma_end_read(vma);
	return result;
}
