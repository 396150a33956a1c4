/* SPDX-License-Identifier: GPL-2.0-or-later */
#define TEST_TIMEOUT_DEFAULT 30
