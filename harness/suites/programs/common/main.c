// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line, and the frame of the output. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "program.h"

enum { EXIT_GOOD, EXIT_FAILED, EXIT_USAGE };

static void list(void)
{
	size_t i;

	for (i = 0; i < nr_workloads; i++)
		printf("%-14s %s\n", workloads[i]->name, workloads[i]->summary);
}

static const struct workload *find_workload(const char *name)
{
	size_t i;

	for (i = 0; i < nr_workloads; i++)
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	return NULL;
}

static void refuse(void)
{
	fputs(program.usage, stderr);
	exit(EXIT_USAGE);
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
		fprintf(stderr, "%s: --%s %s: not a number from %lu to %lu\n",
			program.command, option, text, min, max);
		exit(EXIT_USAGE);
	}
	return value;
}

static void parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option names[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "processes", required_argument, NULL, 'p' },
		{ "ops", required_argument, NULL, 'o' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "noise", required_argument, NULL, 'n' },
		{ "clock", required_argument, NULL, 'c' },
		{ "dir", required_argument, NULL, 'd' },
		{ "own-machine", no_argument, NULL, 'm' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if ((c == 'r' && !program.discarded) ||
		    (c == 'm' && !program.may_own) ||
		    (c == 'p' && !program.may_fork))
			refuse();
		switch (c) {
		case 't':
			opt->threads = (unsigned int)number("threads", optarg,
							    1, MAX_THREADS);
			break;
		case 'p':
			opt->processes = (unsigned int)number("processes",
							      optarg, 1,
							      MAX_THREADS);
			break;
		case 'o':
			opt->ops = number("ops", optarg, 1, 1ul << 30);
			break;
		case 'r':
			opt->repeat = (unsigned int)number(
				"repeat", optarg, program.discarded + 1,
				100000);
			break;
		case 's':
			opt->seed = number("seed", optarg, 0, ~0ul);
			break;
		case 'n':
			opt->noise = number("noise", optarg, 1, ~0ul);
			break;
		case 'c':
			if (!set_clock(optarg))
				refuse();
			break;
		case 'd':
			opt->dir = optarg;
			break;
		case 'm':
			opt->own_machine = true;
			break;
		case 'l':
			list();
			exit(EXIT_GOOD);
		case 'h':
			fputs(program.usage, stdout);
			exit(EXIT_GOOD);
		default:
			refuse();
		}
	}
}

int main(int argc, char **argv)
{
	struct options opt = program.defaults;
	bool good = true;
	int i;

	if (program.may_fix_layout)
		fix_layout(argv);
	parse_options(argc, argv, &opt);
	if (optind == argc)
		refuse();
	for (i = optind; i < argc; i++) {
		if (find_workload(argv[i]))
			continue;
		fprintf(stderr, "%s: no workload %s; see --list\n",
			program.command, argv[i]);
		return EXIT_USAGE;
	}
	catch_segv();
	if (program.may_fix_layout)
		vary_layout(opt.seed);
	/* One fault, one page; refused where the kernel has no huge pages. */
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);

	printf("KTAP version 1\n1..%d\n", argc - optind);
	for (i = optind; i < argc; i++) {
		start_noise(&opt);
		if (!run_case(find_workload(argv[i]), &opt,
			      (unsigned int)(i - optind + 1)))
			good = false;
		stop_noise();
	}
	return good ? EXIT_GOOD : EXIT_FAILED;
}
