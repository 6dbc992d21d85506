"""Wheels contain exactly what the tree has."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests import sources
from tests.sources import ROOT, ROOTS

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


def _copy_distribution(distribution: str, target: Path) -> None:
    """Copy the files of *distribution* that belong to its source, because a build writes beside them."""
    root = ROOT / ROOTS[distribution]
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(root / sources.package_of(distribution), target / sources.package_of(distribution), ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (root / name).exists():
            shutil.copy(root / name, target)


def _wheel_files(distribution: str, directory: Path) -> set[str]:
    """Build the wheel of *distribution* and return the paths of its files, without its metadata."""
    source, out = directory / "source", directory / "out"
    source.mkdir()
    out.mkdir()
    _copy_distribution(distribution, source)
    built = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, timeout=120)
    if built.returncode:
        raise AssertionError(f"the wheel of {distribution} does not build:\n{built.stderr[-2000:]}")
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def _tree_files(distribution: str) -> set[str]:
    """Return the paths of the files that the wheel has to contain."""
    root = ROOT / ROOTS[distribution]
    package = root / sources.package_of(distribution)
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(root)) for path in files}


class TestWheels(TestCase):
    def test_a_wheel_contains_the_files_of_the_tree(self) -> None:
        """No module, template, migration or marker of a distribution is missing in its wheel, and nothing else is there."""
        for distribution in ROOTS:
            with self.subTest(distribution):
                directory = Path(self.useFixture(TempDir()).path)
                self.assertEqual(_tree_files(distribution), _wheel_files(distribution, directory))
