"""RunResult -> report.html: one page that is complete without scripts, and allowed by what Jenkins allows.

Jenkins serves artifacts with `default-src 'none'; img-src 'self'; style-src 'self'` in a sandbox: no script, no style
in the page itself, nothing from elsewhere.  So there is a page, a style sheet beside it, and drawings that are part of
the page and have their colours from the style sheet, or from attributes where that is missing.
"""

from harness.report.html.page import page, style_sheet

__all__ = ["page", "style_sheet"]
