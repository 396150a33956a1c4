"""Which patch did it: a search over a series or a range of commits."""
