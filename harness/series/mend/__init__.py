"""The steps of a repair: read what is left, align it with the tree, infer whitespace, search for a blob."""
