"""Coverage-guided fuzzing of one reader; `ci/fuzz` runs it for each.  Options after the target are libFuzzer's.

python tests/fuzz/fuzz_intake.py TARGET CORPUS_DIRECTORY… [-max_total_time=60] …
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["harness.series"]):
    from tests.fuzz.targets import TARGETS, run


def main() -> None:
    target = sys.argv[1]
    if target not in TARGETS:
        sys.exit(f"no such target: {target}; there are {' '.join(TARGETS)}")

    def one(data: bytes) -> None:
        run(target, data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
