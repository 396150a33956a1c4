// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sizes: what the kernel's objects around VMAs take, as this kernel has them.
 *
 *	sizes [--vmas N]
 *
 * Object caches are read from /sys/kernel/slab (CONFIG_SYSFS, SLUB).  Memory
 * is measured: N mappings of a page are made, none beside another, so that
 * nothing is merged or shared; then as many more, of which the slabs' growth
 * counts.  What the first N did was to fill slabs that were there.
 *
 * Output is that of the other programs (docs/sizes.md).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_VMAS 6000
#define MOST_VMAS 30000		/* vm.max_map_count allows 65,530 */

static const char *const caches[] = {
	"vm_area_struct", "vma_lock", "maple_node", "anon_vma",
	"anon_vma_chain", "mm_struct",
};

static const struct {
	const char *name, *file, *unit;
} geometry[] = {
	{ "object", "object_size", "bytes" },
	{ "slot", "slab_size", "bytes" },
	{ "per_slab", "objs_per_slab", "objects" },
	{ "order", "order", "order" },
	{ "align", "align", "bytes" },
};

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("Bail out! ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_Exit(3);
}

static void metric(const char *name, const char *detail, double value,
		   const char *unit, size_t count)
{
	printf("# metric %s%s%s %.3f %s %zu\n", name, *detail ? "." : "",
	       detail, value, unit, count);
}

/* The number at the beginning of a file; false: there is none. */
static bool number_in(const char *path, unsigned long *value)
{
	FILE *file = fopen(path, "r");
	bool good;

	if (!file)
		return false;
	good = fscanf(file, "%lu", value) == 1;
	fclose(file);
	return good;
}

/* A kernel without the cache has no such objects: vma_lock came, and went. */
static void report_caches(void)
{
	size_t cache, i;
	char path[128];

	for (cache = 0; cache < sizeof(caches) / sizeof(caches[0]); cache++)
		for (i = 0; i < sizeof(geometry) / sizeof(geometry[0]); i++) {
			unsigned long value;

			snprintf(path, sizeof(path), "/sys/kernel/slab/%s/%s",
				 caches[cache], geometry[i].file);
			if (number_in(path, &value))
				metric(caches[cache], geometry[i].name,
				       (double)value, geometry[i].unit, 1);
		}
}

/* Bytes in slabs, now that each CPU has told what it had counted by itself. */
static uint64_t slab_bytes(void)
{
	FILE *file;
	char line[128];
	uint64_t kib = 0;
	int refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (refresh >= 0) {
		if (write(refresh, "1", 1) < 0)
			printf("# stat_refresh: %m\n");
		close(refresh);
	}
	file = fopen("/proc/meminfo", "r");
	if (!file)
		die("/proc/meminfo: %m");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %" SCNu64, &kib) == 1)
			break;
	fclose(file);
	if (!kib)
		die("/proc/meminfo tells of no slabs");
	return kib * 1024;
}

/* VMAs of this process. */
static size_t nr_vmas(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	size_t lines = 0;
	int c;

	if (!file)
		die("/proc/self/maps: %m");
	while ((c = getc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/*
 * What mappings have replaced is given back when no CPU can see it any more
 * (RCU): an idle moment now and then, and there is never much of it.
 */
static void settle(size_t done)
{
	if (done % 200 == 0)
		usleep(20000);
}

static void map_page(char *address, bool touch)
{
	long page = sysconf(_SC_PAGESIZE);
	char *got = mmap(address, (size_t)page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0);

	if (got != address)
		die("mmap of a page: %m");
	if (touch)
		*(volatile char *)got = 1;
}

/* Memory of one VMA: of 2 * count, that of the second half. */
static void measure(const char *name, size_t count, bool touch)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 4 * count * page;
	uint64_t before = 0, after;
	size_t i, vmas;
	char *area;

	area = mmap(NULL, room, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED || munmap(area, room))
		die("no room for %zu mappings: %m", 2 * count);
	vmas = nr_vmas();
	for (i = 0; i < 2 * count; i++) {
		if (i == count)
			before = slab_bytes();
		map_page(area + (2 * i + 1) * page, touch);
		settle(i + 1);
	}
	after = slab_bytes();
	if (nr_vmas() - vmas != 2 * count)
		die("%zu mappings are %zu VMAs", 2 * count, nr_vmas() - vmas);
	if (after < before)
		die("slabs have shrunk while %zu VMAs were made", count);
	metric(name, "", (double)(after - before) / (double)count, "bytes/VMA",
	       count);
	if (munmap(area, room))
		die("munmap: %m");
}

int main(int argc, char **argv)
{
	size_t count = DEFAULT_VMAS;
	char *end = "";

	if (argc == 3 && !strcmp(argv[1], "--vmas"))
		count = strtoul(argv[2], &end, 10);
	else if (argc != 1)
		count = 0;
	if (*end || count < 200 || count % 200 || count > MOST_VMAS) {
		fprintf(stderr, "usage: sizes [--vmas N]  (N from 200 to %d, in steps of 200)\n",
			MOST_VMAS);
		return 2;
	}
	printf("KTAP version 1\n1..1\n");
	report_caches();
	measure("vma_memory", count, false);
	measure("vma_memory_touched", count, true);
	printf("ok 1 - vma\n");
	return 0;
}
