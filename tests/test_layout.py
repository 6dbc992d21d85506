"""The tests mirror the packages, and what several of them share lies in ``tests/fixtures``."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from testtools import TestCase

from tests import sources
from tests.sources import ROOT

TESTS = ROOT / "tests"
DISTRIBUTIONS = {
    "contract": "baremetal_interfaces",
    "metald": "metald",
    "plugins/fake": "baremetal_fake",
    "plugins/ipmi": "baremetal_ipmi",
    "plugins/ironic": "baremetal_ironic_bridge",
    "plugins/redfish": "baremetal_redfish",
}
"""Folder below ``tests`` -> the distribution that it tests as a whole."""
NO_MIRRORS = {"benchmarks", "examples", "fixtures", "out_of_tree", "plugins", "system"}
"""Folders of tests of more than one package or of the benchmarks, and the fixtures."""


def _test_folders() -> set[str]:
    """Return the folders below ``tests`` that have test modules, as paths."""
    return {str(path.parent.relative_to(TESTS)) for path in TESTS.rglob("test_*.py")} - {"."}


def _runtime_packages() -> set[str]:
    """Return the packages at the root of the runtime."""
    names = {source.module.split(".")[1] for source in sources.sources("baremetal-sdk") if source.module.count(".") >= 2}
    return {name for name in names if (ROOT / "baremetal_sdk" / name).is_dir()}


def _shared_modules() -> dict[str, set[str]]:
    """Return the modules of tests, without test modules, that are imported from outside of their own folder's tree."""
    users: dict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tests."):
                module = Path(*str(node.module).split("."))
                for name in (module, *(module / alias.name for alias in node.names)):
                    file = ROOT / name.with_suffix(".py")
                    if file.exists() and not (path.is_relative_to(file.parent) or file.is_relative_to(path.parent)):
                        users[str(file.relative_to(ROOT))].add(str(path.relative_to(ROOT)))
    return users


class TestLayout(TestCase):
    def test_each_package_of_the_runtime_has_a_folder_of_tests(self) -> None:
        """``baremetal_sdk/NAME`` is tested in ``tests/NAME``."""
        self.assertEqual(set(), _runtime_packages() - {folder.split("/")[0] for folder in _test_folders()})

    def test_each_folder_of_tests_mirrors_a_package(self) -> None:
        """A folder of tests is named as a package of the runtime or as a distribution, or it is listed here."""
        strangers = set()
        for folder in _test_folders():
            is_distribution = any(folder == name or folder.startswith(f"{name}/") for name in DISTRIBUTIONS)
            is_package = (ROOT / "baremetal_sdk" / folder).is_dir()
            if not (is_distribution or is_package or folder.split("/")[0] in NO_MIRRORS):
                strangers.add(folder)
        self.assertEqual(set(), strangers)

    def test_fixtures_are_no_tests(self) -> None:
        """``tests/fixtures`` has servers, machines and certificates, and no test module."""
        self.assertEqual([], sorted((TESTS / "fixtures").rglob("test_*.py")))

    def test_shared_modules_are_fixtures(self) -> None:
        """A module that tests of another folder import, and that is no test module, lies in ``tests/fixtures``."""
        allowed = {"tests/sources.py", "tests/style.py"}
        misplaced = {
            file: sorted(users)
            for file, users in _shared_modules().items()
            if not file.startswith("tests/fixtures/") and not Path(file).name.startswith("test_") and file not in allowed
        }
        self.assertEqual({}, misplaced)
