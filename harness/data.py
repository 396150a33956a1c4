"""Where the project's registries lie: `configs/` (plans), `kconfigs/` (fragments), `patches/` (series).

In a checkout they stand beside the package, in a wheel they travel as `harness/_data/`.
"""

from __future__ import annotations

from pathlib import Path


def _registry(name: str) -> Path:
    packaged = Path(__file__).parent / "_data" / name
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / name


def plans_dir() -> Path:
    return _registry("configs")


def fragments_dir() -> Path:
    return _registry("kconfigs")


def patches_dir() -> Path:
    return _registry("patches")
