/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/no_such_header.h>
