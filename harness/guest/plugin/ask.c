// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin that no QEMU loads: it is refused with the version of the
 * interface that would be taken.
 */
#include "api.h"

int qemu_plugin_version = 0x7fffffff;

int qemu_plugin_install(plugin_id id, const struct info *info, int argc,
			char **argv)
{
	(void)id, (void)info, (void)argc, (void)argv;
	return 1;
}
