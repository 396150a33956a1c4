"""RunResult -> results.json, junit.xml, summary.txt.  Computes nothing that is not in the result."""
