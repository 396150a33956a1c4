"""Documents -> Series: mailboxes, patch directories, git ranges.  Knows patches, not the tree they are for."""

from harness.series.read import read_series

__all__ = ["read_series"]
