"""YAML -> Plan: what to run.  Knows files and fields, nothing of trees, kernels or guests."""
