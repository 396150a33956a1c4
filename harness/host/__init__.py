"""The machine we run on: processes, cache, Debian archive, sandbox, tools.

The ground floor beside `harness.model`: knows nothing of kernels, guests or suites.
"""
