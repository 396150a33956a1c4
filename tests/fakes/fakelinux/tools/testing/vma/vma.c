// SPDX-License-Identifier: GPL-2.0-or-later
/* Userland tests of the fake mm/vma.c; FAKE_VMA_FAIL in the environment makes the test of that name fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../mm/vma.c"

static int failing(const char *name)
{
	const char *wanted = getenv("FAKE_VMA_FAIL");

	return wanted && !strcmp(wanted, name);
}

static int test_lock(void)
{
	struct vma vma = { .start = 0, .end = 1 };

	return !failing("lock") && vma_start_read(&vma) && !vma_start_read(&vma);
}

static int test_unlock(void)
{
	struct vma vma = { .start = 0, .end = 1, .locked = 1 };

	vma_end_read(&vma);
	return !failing("unlock") && vma_start_read(&vma);
}

int main(void)
{
	int ran = 0, failed = 0;

#define TEST(name) do {						\
		ran++;						\
		if (!test_##name()) {				\
			failed++;				\
			fprintf(stderr, "Test " #name " FAILED\n"); \
		}						\
	} while (0)

	TEST(lock);
	TEST(unlock);

	printf("%d tests run, %d passed, %d failed.\n", ran, ran - failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
