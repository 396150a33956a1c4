"""Who may import whom, where third-party libraries live, and that only the command line prints, exits or reads the
environment.  Reads the sources; imports nothing of the harness.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "harness"
GROUND = {"model", "costs", "errors", "events", "arch", "data", "host"}
STAGES = {"plan", "series", "kernel", "guest", "suites", "verdict", "report"}
ALLOWED: dict[str, set[str]] = {
    "model": {"costs"}, "costs": set(), "errors": set(), "events": set(), "arch": {"model"}, "data": set(),
    "host": GROUND,
    **{stage: GROUND | {stage} for stage in STAGES},
    "run": GROUND | STAGES | {"run"},
    "cli": GROUND | STAGES | {"run", "cli"},
}  # fmt: skip

LIBRARIES: dict[str, set[str]] = {
    "click": {"cli"}, "rich": {"cli"}, "yaml": {"plan"}, "pydantic": {"plan", "report"},
    "pydantic_core": {"plan", "report"}, "paramiko": {"guest"}, "cryptography": {"guest"}, "qemu": {"guest"},
    "numpy": {"verdict"}, "scipy": {"verdict"}, "junit_xml": {"report"}, "filelock": {"host"}, "platformdirs": {"host"},
}  # fmt: skip
"""Third-party library -> the packages that may know it."""

ENVIRONMENT = {"host/cache.py", "host/process.py"}
"""Modules below the command line that read the environment: the cache's place, and what programs are started with."""

PROCESSES = {"host/process.py", "host/keeper.py"}
"""The only modules that start programs."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _read(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Line and dotted name of everything a module imports, inside functions too; line and text of every
    NAME.attribute.
    """
    imports, attributes = [], []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imports += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            if node.module == "harness":
                imports += [(node.lineno, f"harness.{alias.name}") for alias in node.names]
            elif node.module:
                imports.append((node.lineno, node.module))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.append((node.lineno, f"{node.value.id}.{node.attr}"))
    return imports, attributes


def _imports(path: Path) -> list[tuple[int, str]]:
    return _read(path)[0]


def _attributes(path: Path) -> list[tuple[int, str]]:
    return _read(path)[1]


def forbidden(path: Path) -> list[str]:
    """Imports of a module that its layer must not make."""
    layer = _layer(path)
    found = []
    for line, name in _imports(path):
        top, _, rest = name.partition(".")
        if top == "harness":
            target = rest.partition(".")[0]
            wrong = target not in ALLOWED[layer] and target != "__version__"
        elif top in sys.stdlib_module_names:
            wrong = False
        else:
            wrong = layer not in LIBRARIES.get(top, set())
        if wrong:
            found.append(f"harness/{_name(path)}:{line}: {name}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    if _name(path) == "__init__.py":
        assert not _imports(path) or [name for _, name in _imports(path)] == ["__future__"]
        return
    assert forbidden(path) == []


@pytest.mark.parametrize("path", [path for path in MODULES if _layer(path) != "cli"], ids=_name)
def test_only_the_command_line_reads_the_environment_or_exits(path: Path) -> None:
    names = {"sys.exit"} if _name(path) not in ("host/keeper.py", "host/needs.py") else set()
    if _name(path) not in ENVIRONMENT:
        names |= {"os.environ", "os.environb", "os.getenv"}
    assert [f"{_name(path)}:{line}: {name}" for line, name in _attributes(path) if name in names] == []


@pytest.mark.parametrize("path", [path for path in MODULES if _name(path) not in PROCESSES], ids=_name)
def test_only_one_module_starts_programs(path: Path) -> None:
    names = {"os.system", "os.popen", "os.fork", "os.execvp", "os.posix_spawn", "subprocess.run", "subprocess.Popen"}
    assert [f"{_name(path)}:{line}: {name}" for line, name in _attributes(path) if name in names] == []
    assert not {name for _, name in _imports(path)} & {"subprocess", "multiprocessing"}


def test_the_rules_can_be_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    module = tmp_path / "series" / "bad.py"
    module.parent.mkdir()
    module.write_text(
        "import json\nfrom harness import model, guest\nfrom harness.kernel.apply import x\nimport yaml\n"
        "def f():\n    from harness.run.graph import Graph\n"
    )
    assert forbidden(module) == [
        "harness/series/bad.py:2: harness.guest",
        "harness/series/bad.py:3: harness.kernel.apply",
        "harness/series/bad.py:4: yaml",
        "harness/series/bad.py:6: harness.run.graph",
    ]
