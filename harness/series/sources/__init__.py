"""The kinds of source that a series comes from: each gives messages.  Knows no patches."""
