"""Documents -> Series: mailboxes, patch directories, git ranges.  Knows patches, not the tree they are for."""
