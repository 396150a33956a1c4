// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line, and the frame of the output. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "faults.h"

enum { EXIT_GOOD, EXIT_FAILED, EXIT_USAGE };

static void usage(FILE *to)
{
	fputs("usage: faults [OPTION]... WORKLOAD...\n"
	      "  --threads N  faulting threads (default 1)\n"
	      "  --ops N      operations of each thread in a repetition\n"
	      "               (default: the workload's own)\n"
	      "  --repeat N   repetitions; the first is verified, but not\n"
	      "               measured (default 5, at least 2)\n"
	      "  --seed N     of contents and random choices (default 1)\n"
	      "  --dir DIR    where to put files (default /tmp)\n"
	      "  --list       the workloads\n", to);
}

static void list(void)
{
	size_t i;

	for (i = 0; i < nr_workloads; i++)
		printf("%-14s %s\n", workloads[i]->name, workloads[i]->summary);
}

static unsigned long number(const char *option, const char *text,
			    unsigned long min, unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || value < min ||
	    value > max) {
		fprintf(stderr, "faults: --%s %s: not a number from %lu to %lu\n",
			option, text, min, max);
		exit(EXIT_USAGE);
	}
	return value;
}

static void parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option names[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "ops", required_argument, NULL, 'o' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'd' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 't':
			opt->threads = (unsigned int)number("threads", optarg,
							    1, MAX_THREADS);
			break;
		case 'o':
			opt->ops = number("ops", optarg, 1, 1ul << 30);
			break;
		case 'r':
			opt->repeat = (unsigned int)number("repeat", optarg, 2,
							   100000);
			break;
		case 's':
			opt->seed = number("seed", optarg, 0, ~0ul);
			break;
		case 'd':
			opt->dir = optarg;
			break;
		case 'l':
			list();
			exit(EXIT_GOOD);
		case 'h':
			usage(stdout);
			exit(EXIT_GOOD);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
}

/* Returns whether the case is good. */
static bool run_case(const struct workload *workload, const struct options *opt,
		     unsigned int nr)
{
	struct run run = {
		.workload = workload,
		.opt = *opt,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	char name[64];

	if (!run.opt.ops)
		run.opt.ops = workload->ops;
	/* A race is named after what is done around the faulting threads. */
	if (workload->write)
		snprintf(name, sizeof(name), "%s", workload->name);
	else
		snprintf(name, sizeof(name), "%s.%u", workload->name,
			 opt->threads);
	run_workload(&run, name);
	report_result(&run, nr, name);
	fflush(stdout);
	return !run.failed;
}

int main(int argc, char **argv)
{
	struct options opt = {
		.threads = 1, .repeat = 3, .seed = 1, .dir = "/tmp",
	};
	bool good = true;
	int i;

	parse_options(argc, argv, &opt);
	if (optind == argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (i = optind; i < argc; i++) {
		if (find_workload(argv[i]))
			continue;
		fprintf(stderr, "faults: no workload %s; see --list\n", argv[i]);
		return EXIT_USAGE;
	}
	catch_segv();
	/* One fault, one page; refused where the kernel has no huge pages. */
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);

	printf("KTAP version 1\n1..%d\n", argc - optind);
	for (i = optind; i < argc; i++)
		if (!run_case(find_workload(argv[i]), &opt,
			      (unsigned int)(i - optind + 1)))
			good = false;
	return good ? EXIT_GOOD : EXIT_FAILED;
}
