/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What common code knows this program by. */
#include "bench.h"
