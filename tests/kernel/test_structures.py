"""What pahole prints, as structures."""

from __future__ import annotations

from harness.costs import Member
from harness.kernel.structures import parse

TEXT = """\
struct vm_area_struct {
	union {
		struct {
			long unsigned int vm_start;      /*     0     8 */
			long unsigned int vm_end;        /*     8     8 */
		};                                       /*     0    16 */
		freeptr_t          vm_freeptr;           /*     0     8 */
	};                                               /*     0    16 */
	struct mm_struct *         vm_mm;                /*    16     8 */
	pgprot_t                   vm_page_prot;         /*    24     8 */
	bool                       detached;             /*    32     1 */

	/* XXX 3 bytes hole, try to pack */

	unsigned int               vm_lock_seq;          /*    36     4 */
	struct list_head           anon_vma_chain;       /*    40    16 */
	void                       (*close)(struct vm_area_struct *); /*    56     8 */
	/* --- cacheline 1 boundary (64 bytes) --- */
	atomic_long_t              counters[2] __attribute__((__aligned__(64))); /*    64    16 */
	unsigned int               flag:1;               /*    80: 0  4 */
	unsigned int               other:3;              /*    80: 1  4 */

	/* size: 88, cachelines: 2, members: 10 */
	/* sum members: 81, holes: 1, sum holes: 3 */
	/* padding: 4 */
	/* last cacheline: 24 bytes */
};
struct vma_lock {
	struct rw_semaphore        lock;                 /*     0    40 */

	/* size: 40, cachelines: 1, members: 1 */
	/* last cacheline: 40 bytes */
};
"""


def test_members_holes_and_cache_lines() -> None:
    vma, lock = parse(TEXT)
    assert (vma.name, vma.size, vma.cache_lines) == ("vm_area_struct", 88, 2)
    assert vma.members == (
        Member("{vm_start, …}", 0, 16), Member("vm_mm", 16, 8), Member("vm_page_prot", 24, 8),
        Member("detached", 32, 1), Member("vm_lock_seq", 36, 4), Member("anon_vma_chain", 40, 16),
        Member("close", 56, 8), Member("counters", 64, 16), Member("flag", 80, 4), Member("other", 80, 4),
    )  # fmt: skip
    assert vma.holes == ((33, 3), (84, 4))
    assert (lock.name, lock.size, lock.holes) == ("vma_lock", 40, ())


def test_what_is_no_structure_is_none() -> None:
    assert parse("") == ()
    assert parse("pahole: type 'x' not found\n\t/* size: 8, cachelines: 1, members: 1 */\n") == ()
