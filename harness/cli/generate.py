"""Write the generated documents again: `python -m harness.cli.generate [DOCS]`.

A development command, not a verb: users find the documents in docs/.
"""

from __future__ import annotations

import sys
from pathlib import Path


def documents() -> dict[str, str]:
    """File name -> text of every generated document."""
    from harness.cli.main import cli  # noqa: PLC0415
    from harness.cli.manpage import man_page  # noqa: PLC0415
    from harness.plan.reference import SCHEMA_FILE, json_schema, markdown  # noqa: PLC0415

    return {"plan.md": markdown(), SCHEMA_FILE: json_schema(), "vmaharness.1": man_page(cli)}


if __name__ == "__main__":
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs"
    for name, text in documents().items():
        (directory / name).write_text(text, encoding="utf-8")
