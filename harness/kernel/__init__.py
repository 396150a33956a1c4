"""Tree -> AppliedTree -> Build: sources, patches applied, configuration proven, kernel compiled.  Knows no guest."""
