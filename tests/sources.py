"""The sources of all distributions, as text and as syntax trees. Nothing is imported or run."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROOTS = {
    "baremetal-interfaces": "interfaces",
    "baremetal-sdk": ".",
    "baremetal-fake": "plugins/fake",
    "baremetal-redfish": "plugins/redfish",
    "baremetal-ipmi": "plugins/ipmi",
    "baremetal-ironic-bridge": "plugins/ironic",
    "metald": "reference_app",
}
"""The directory that each distribution is built from."""


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path
    module: str

    @property
    def text(self) -> str:
        """The text of the file."""
        return self.path.read_text(encoding="utf-8")

    @property
    def shown(self) -> str:
        """The path within the repository, for messages."""
        return str(self.path.relative_to(ROOT))

    @property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return _tree(self.path)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@dataclass(frozen=True)
class Packaging:
    """The metadata that a distribution declares."""

    name: str
    version: str
    python: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    entry_points: dict[str, dict[str, str]]
    package_data: dict[str, tuple[str, ...]]


def packaging(distribution: str) -> Packaging:
    """Read the metadata of a distribution from its ``setup.py`` if it has one, otherwise from ``pyproject.toml``."""
    root = ROOT / ROOTS[distribution]
    if (root / "setup.py").exists():
        return _from_setup(root / "setup.py")
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project, setuptools = declared["project"], declared["tool"]["setuptools"]
    return Packaging(
        name=project["name"],
        version=project["version"],
        python=project["requires-python"],
        packages=tuple(setuptools["packages"]),
        requirements=tuple(project["dependencies"]),
        extras={name: tuple(found) for name, found in project.get("optional-dependencies", {}).items()},
        entry_points=project.get("entry-points", {}),
        package_data={name: tuple(found) for name, found in setuptools["package-data"].items()},
    )


def _from_setup(path: Path) -> Packaging:
    given = _keywords_of_setup(_tree(path))

    def value(name: str, default: Any) -> Any:
        return ast.literal_eval(given[name]) if name in given else default

    declared: dict[str, list[str]] = value("entry_points", {})
    points = {group: dict(point.replace(" ", "").split("=") for point in listed) for group, listed in declared.items()}
    return Packaging(
        name=value("name", ""),
        version=value("version", ""),
        python=value("python_requires", ""),
        packages=tuple(value("packages", ())),
        requirements=tuple(value("install_requires", ())),
        extras={name: tuple(found) for name, found in value("extras_require", {}).items()},
        entry_points=points,
        package_data={name: tuple(found) for name, found in value("package_data", {}).items()},
    )


def _keywords_of_setup(tree: ast.Module) -> dict[str | None, ast.expr]:
    """Return the keyword arguments of the call of ``setup``, with names replaced by the values that the module assigns."""
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup")
    return {keyword.arg: assigned.get(ast.unparse(keyword.value), keyword.value) for keyword in call.keywords}


def package_of(distribution: str) -> str:
    """Return the import name of a distribution's package."""
    return "metald" if distribution == "metald" else distribution.replace("-", "_")


def sources(distribution: str) -> Iterator[Source]:
    """Yield the Python files of one distribution."""
    root = ROOT / ROOTS[distribution]
    for path in sorted((root / package_of(distribution)).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield Source(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def all_sources() -> Iterator[Source]:
    """Yield the Python files of all distributions."""
    for distribution in ROOTS:
        yield from sources(distribution)


def test_sources() -> Iterator[Source]:
    """Yield the Python files of the tests, the documentation and the benchmarks."""
    for directory in ("tests", "doc/source", "benchmarks"):
        for path in sorted((ROOT / directory).rglob("*.py")):
            yield Source(path, path.stem)


def all_imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each import of a file, inside functions and under ``TYPE_CHECKING`` included."""
    return _imports(source.tree)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"line {node.lineno}: relative import; write the full name of the module")
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        else:
            yield from _imports(node)


def is_standard(module: str) -> bool:
    """Return whether a module belongs to Python's standard library, or to the stubs of type checkers."""
    return module.partition(".")[0] in {*sys.stdlib_module_names, "_typeshed"}
