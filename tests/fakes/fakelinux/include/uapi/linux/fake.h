/* SPDX-License-Identifier: GPL-2.0-or-later */
#define FAKE_ANSWER 42
