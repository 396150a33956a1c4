"""The command line: one module a verb; the only place that prints, reads the environment or exits."""
