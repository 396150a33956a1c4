"""What a document holds: its messages sorted into series.  Knows no tree, and no formats of mail or pages."""
