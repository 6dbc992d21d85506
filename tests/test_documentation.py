"""The examples on the pages of the documentation work, and the names on them exist."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from testtools import TestCase

from tests import sources, style
from tests.sources import ROOT

SOURCE = ROOT / "doc" / "source"
PAGES = sorted(page for page in SOURCE.rglob("*.rst") if ">>>" in page.read_text(encoding="utf-8"))
TABLE_OF_OLD_PATHS = SOURCE / "design" / "0013-package-layout.rst"
DOTTED_NAME = re.compile(r"(?<![\w./-])baremetal_(?:sdk|interfaces|fake|redfish|ipmi)(?:\.\w+)+")
NO_PYTHON_NAMES = {
    "baremetal_sdk.identity",
    "baremetal_sdk.peer_credentials",
    "baremetal_sdk.request_id",
    "baremetal_sdk.audit",
    "baremetal_sdk.api.policy",
    "baremetal_sdk.http.request_log",
}
"""Keys of the WSGI environment, and loggers with fixed names."""


def _exists(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def _texts() -> Iterator[tuple[str, str]]:
    """Yield place and text of each document, docstring, comment and message."""
    for path in style.documents():
        if path != TABLE_OF_OLD_PATHS:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for source in sources.all_sources():
        for line, text in style.texts_of(source):
            yield f"{source.shown}:{line}", text


class TestExamples(TestCase):
    """Examples with ``>>>``."""

    def test_every_example_has_the_result_that_the_page_shows(self) -> None:
        """Each example has the result that the page shows."""
        self.assertNotEqual([], PAGES)
        for page in PAGES:
            result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
            self.assertEqual(0, result.failed, page)
            self.assertGreater(result.attempted, 0, page)


class TestNames(TestCase):
    """Names of modules, classes and functions in prose."""

    def test_every_dotted_name_exists(self) -> None:
        """A dotted name in a page, a docstring or a message can be imported."""
        names: dict[str, str] = {}
        for place, text in _texts():
            for match in DOTTED_NAME.finditer(text):
                names.setdefault(match.group(0), place)
        self.assertGreater(len(names), 50)
        missing = {name: place for name, place in names.items() if name not in NO_PYTHON_NAMES and not _exists(name)}
        self.assertEqual({}, missing)

    def test_every_path_in_the_architecture_exists(self) -> None:
        """``ARCHITECTURE.md`` names modules and packages that exist, relative to the repository or to a package."""
        text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
        packages = ("baremetal_sdk", "baremetal_sdk/api", "baremetal_sdk/observability", "interfaces/baremetal_interfaces")
        roots = [ROOT, ROOT / "reference_app/metald", *(ROOT / package for package in packages)]
        paths = re.findall(r"`([\w-]+(?:/[\w-]+)*(?:/|\.py|\.toml))`", text)
        self.assertGreater(len(paths), 40)
        self.assertEqual([], [path for path in paths if not any(Path(root, path).exists() for root in roots)])
