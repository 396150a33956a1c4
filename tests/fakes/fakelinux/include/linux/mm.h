/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_MM_H
#define FAKE_MM_H

#define __init
#define core_initcall(function) int (*const function##_entry)(void) = function

struct vma {
	unsigned long start;
	unsigned long end;
	int locked;
};

int vma_start_read(struct vma *vma);
void vma_end_read(struct vma *vma);
int handle_fault(struct vma *vma, unsigned long address);

#endif
