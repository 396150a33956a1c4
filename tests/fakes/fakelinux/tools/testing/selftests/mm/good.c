/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/fake.h>
#include <stdio.h>
#include "kselftest_harness.h"

int main(void)
{
	printf("TAP version 13\n1..1\nok 1 answer\n# %d %d\n", FAKE_ANSWER, TEST_TIMEOUT_DEFAULT);
	return 0;
}
