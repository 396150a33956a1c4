"""A tree as what programs of its own are made of: whether another tree makes the very same program."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.host.process import Processes
from harness.kernel.git import Git
from harness.kernel.reads import Inputs, differences, from_json, inputs_of, makes_the_same, to_json
from harness.model import AppliedTree

# The Makefile of tools/testing/vma copies sources of lib/ through sed before they are compiled, and lists headers of
# tools/ by globs: no compiler notes those.
_ALWAYS = ("tools/", "lib/", "scripts/")
_NEVER = ("Documentation/", "LICENSES/", "tools/testing/selftests/")


@dataclass(frozen=True)
class TreeContent:
    """What `harness.suites.vma_program` asks of a tree."""

    applied: AppliedTree
    processes: Processes

    @property
    def name(self) -> str:
        """Of all that the tree has."""
        return self.applied.tree_id

    def described(self) -> str:
        """What later trees are held against.  Raises InfraError."""
        return to_json(self._inputs)

    def makes_what(self, described: str, reads: frozenset[str]) -> bool:
        """Whether it makes what was made of the tree `described`, of which these files were read."""
        try:
            before = from_json(described)
        except (ValueError, KeyError, TypeError):
            return False  # of another version
        found = differences(self._git, before, self._inputs)
        return found is not None and makes_the_same(found, reads, always=_ALWAYS, never=_NEVER)

    @cached_property
    def _inputs(self) -> Inputs:
        return inputs_of(self._git, self.applied.base.tree_id, self.applied.tree_id)

    @property
    def _git(self) -> Git:
        return Git(self.processes, self.applied.repo)
