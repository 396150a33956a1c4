"""The order of the stages: the only place where they meet."""
