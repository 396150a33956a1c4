"""How much work a document may ask for.  Knows nothing of what the work is."""

from __future__ import annotations

from harness.errors import UserError


class Budget:
    """Steps that are left; one document has one budget, so nothing in it can make the search endless."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int, where: str) -> None:
        """Raises UserError when nothing is left."""
        self._left -= steps
        if self._left < 0:
            raise UserError(
                f"{where}: there are too many ways to read what is left of it",
                fix="get the patch itself: its whitespace was lost on its way",
            )
