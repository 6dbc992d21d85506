"""Rules of structure that a test can check. ``architecture.toml`` lists the allowed imports."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from tests import sources
from tests.import_graph import build_import_graph, find_import_cycle
from tests.sources import ROOT, ROOTS, Source

ALLOWED: dict[str, Any] = tomllib.loads((ROOT / "tests" / "architecture.toml").read_text(encoding="utf-8"))

FORBIDDEN_PACKAGES = {"eventlet", "gevent", "greenlet"}
SEPARATE_ENVIRONMENT = {"baremetal-ironic-bridge"}
"""Distributions that are not installed beside the others, so their modules are not imported here."""
MAX_PARTS = 36
MAX_ROOT_MODULES = 8
MAX_FILE_LINES = 400
MAX_TEST_FILE_LINES = 700
MAX_FUNCTION_LINES = 60
EMPTY_NAMES = re.compile(r"^(utils?|helpers?|common|misc)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NOTE\(\w+\)")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?(.*)$")


def _normalize(name: str) -> str:
    """Return the name of a distribution as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class DistributionsTest(TestCase):
    """Imports and declared requirements of each distribution agree with one table."""

    def test_each_distribution_imports_only_what_the_table_allows(self) -> None:
        """Each import from outside a distribution is in its table."""
        unlisted = []
        for distribution in ROOTS:
            own = sources.package_of(distribution)
            allowed = {own, *ALLOWED["distributions"][distribution]}
            for source in sources.sources(distribution):
                for line, module in sources.all_imports(source):
                    top = module.partition(".")[0]
                    if top not in allowed and not sources.is_standard(top) and not _is_excepted(source, top):
                        unlisted.append(f"{source.shown}:{line} imports {module}")
        self.assertEqual([], unlisted)

    def test_the_table_names_nothing_that_is_not_imported(self) -> None:
        """Each dependency in the table is imported."""
        for distribution in ROOTS:
            imported = chain.from_iterable(sources.all_imports(source) for source in sources.sources(distribution))
            found = {module.partition(".")[0] for _, module in imported}
            self.assertEqual(set(), set(ALLOWED["distributions"][distribution]) - found, distribution)

    def test_packaging_declares_what_the_table_says(self) -> None:
        """The declared requirements of a distribution equal those of the table."""
        for distribution in ROOTS:
            expected = {_normalize(name) for name in ALLOWED["distributions"][distribution].values()}
            declared = {_normalize(REQUIREMENT.match(item)[1]) for item in sources.packaging(distribution).requirements}  # type: ignore[index]
            self.assertEqual(expected, declared, distribution)

    def test_an_optional_import_has_an_extra(self) -> None:
        """A package that only some modules of a distribution import is the requirement of an extra."""
        extras = chain.from_iterable(sources.packaging(distribution).extras.values() for distribution in ROOTS)
        brought = {_normalize(REQUIREMENT.match(item)[1]) for item in chain.from_iterable(extras)}  # type: ignore[index]
        modules = chain.from_iterable(ALLOWED["extras"].values())
        needed = {_normalize(ALLOWED["namespaces"].get(module, module)) for module in modules}
        self.assertEqual(set(), needed - brought)

    def test_every_requirement_is_bounded_on_both_sides(self) -> None:
        """Each requirement has a lower bound and an upper bound."""
        unbounded = []
        for distribution in ROOTS:
            declared = sources.packaging(distribution)
            for requirement in chain(declared.requirements, *declared.extras.values()):
                bounds = REQUIREMENT.match(requirement)[2]  # type: ignore[index]
                if not (re.search(r">=\d", bounds) and re.search(r"<\d", bounds)):
                    unbounded.append(f"{distribution}: {requirement}")
        self.assertEqual([], unbounded)

    def test_every_distribution_supports_the_same_pythons_and_has_a_static_version(self) -> None:
        """All distributions have one static version and support the same versions of Python."""
        declared = [sources.packaging(distribution) for distribution in ROOTS]
        self.assertEqual({">=3.11,<3.14"}, {item.python for item in declared})
        self.assertEqual({"0.1.0"}, {item.version for item in declared})
        self.assertEqual(list(ROOTS), [item.name for item in declared])

    def test_the_packaging_lists_each_package(self) -> None:
        """The list of packages in the packaging equals the packages in the tree."""
        for distribution in ROOTS:
            found = {source.module for source in sources.sources(distribution) if source.path.name == "__init__.py"}
            self.assertEqual(found, set(sources.packaging(distribution).packages), distribution)
            files = {source.path for source in sources.sources(distribution)}
            self.assertEqual(set(), {path for path in files if path.parent / "__init__.py" not in files}, distribution)

    def test_every_package_is_marked_as_typed(self) -> None:
        """Each distribution contains ``py.typed``, so that type checkers use its annotations."""
        for distribution in ROOTS:
            package = sources.package_of(distribution)
            self.assertIn("py.typed", sources.packaging(distribution).package_data[package])
            self.assertTrue((ROOT / ROOTS[distribution] / package / "py.typed").exists(), distribution)

    def test_package_data_that_is_declared_exists(self) -> None:
        """Each pattern of package data matches at least one file."""
        for distribution in ROOTS:
            for package, patterns in sources.packaging(distribution).package_data.items():
                for pattern in patterns:
                    found = list((ROOT / ROOTS[distribution] / package.replace(".", "/")).glob(pattern))
                    self.assertNotEqual([], found, f"{package}: {pattern}")

    def test_every_entry_point_names_a_class_that_is_there(self) -> None:
        """Each entry point names an existing class, or function, of the distribution that declares it."""
        for distribution in ROOTS:
            for group, points in sources.packaging(distribution).entry_points.items():
                for name, target in points.items():
                    module, _, attribute = target.partition(":")
                    self.assertTrue(module.startswith(sources.package_of(distribution)), target)
                    if distribution in SEPARATE_ENVIRONMENT:
                        continue
                    found = getattr(importlib.import_module(module), attribute)
                    # Entry points of oslo.policy and of commands are functions by definition. All others are classes.
                    of_functions = group in ("console_scripts", "oslo.policy.policies")
                    self.assertTrue(callable(found) if of_functions else isinstance(found, type), f"{group}: {name}")

    def test_no_entry_point_is_claimed_twice(self) -> None:
        """Two distributions never register the same name in one group."""
        claims = defaultdict(list)
        for distribution in ROOTS:
            for group, points in sources.packaging(distribution).entry_points.items():
                for name in points:
                    claims[group, name].append(distribution)
        self.assertEqual({}, {claim: owners for claim, owners in claims.items() if len(owners) > 1})


def _is_excepted(source: Source, top: str) -> bool:
    """Return whether an extra of the distribution allows this import in the module."""
    return any(source.module.startswith(module) and top in allowed for module, allowed in ALLOWED["extras"].items())


class ModulesTest(TestCase):
    """Imports between the parts of the runtime follow a list, and no import cycle exists. Imports for type checkers count."""

    def test_modules_import_only_along_the_listed_arrows(self) -> None:
        """The list has exactly the imports between parts of the runtime that the code has."""
        listed = {(part, other) for part, others in ALLOWED["modules"].items() for other in others}
        found = _imports_between_parts()
        self.assertEqual([], [f"{part} -> {other}: {found[part, other]}" for part, other in sorted(found.keys() - listed)])
        self.assertEqual([], sorted(listed - found.keys()), "listed, and not in the code")

    def test_imports_point_to_lower_layers(self) -> None:
        """Each part of the runtime is in one layer, and imports only parts of lower layers."""
        layers = ALLOWED["layers"]["order"]
        self.assertEqual(sorted(ALLOWED["modules"]), sorted(chain.from_iterable(layers)))
        height = {part: -number for number, layer in enumerate(layers) for part in layer}
        listed = ((part, other) for part, others in ALLOWED["modules"].items() for other in others)
        self.assertEqual([], [f"{part} -> {other}" for part, other in listed if height[other] >= height[part]])

    def test_every_part_of_the_runtime_is_in_the_list(self) -> None:
        """Each module or package at the root of the runtime is in the list, and it has at most 36 parts."""
        parts = {_part(source.module) for source in sources.sources("baremetal-sdk")} - {"baremetal_sdk"}
        self.assertEqual(set(), parts ^ ALLOWED["modules"].keys())
        self.assertLessEqual(len(parts), MAX_PARTS)

    def test_few_modules_lie_at_the_root(self) -> None:
        """At most eight modules lie beside the packages at the root of the runtime."""
        modules = [path.name for path in (ROOT / "baremetal_sdk").glob("*.py") if path.name != "__init__.py"]
        self.assertLessEqual(len(modules), MAX_ROOT_MODULES, modules)

    def test_no_distribution_has_an_import_cycle(self) -> None:
        """No module imports itself through others, be it at run time, inside a function or for type checkers only."""
        for distribution in ROOTS:
            graph = build_import_graph(sources.sources(distribution))
            self.assertEqual([], find_import_cycle(graph), distribution)

    def test_a_cycle_for_type_checkers_is_found(self) -> None:
        """The search finds a cycle that one import under ``TYPE_CHECKING`` closes."""
        directory = Path(self.useFixture(TempDir()).path)
        texts = {"a": "import pkg.b", "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg import a"}
        for name, text in texts.items():
            (directory / f"{name}.py").write_text(text, encoding="utf-8")
        graph = build_import_graph(Source(directory / f"{name}.py", f"pkg.{name}") for name in texts)
        self.assertEqual({"pkg.a", "pkg.b"}, set(find_import_cycle(graph)))

    def test_builtin_interfaces_import_only_the_contract(self) -> None:
        """The interfaces that the runtime ships use the contract alone, as a plugin does."""
        for source in sources.sources("baremetal-sdk"):
            if source.module.startswith("baremetal_sdk.drivers.builtin"):
                ours = {module for _, module in sources.all_imports(source) if module.startswith("baremetal_sdk")}
                others = {module for module in ours if not module.startswith("baremetal_sdk.drivers.builtin")}
                self.assertEqual(set(), others, source.shown)


def _part(module: str) -> str:
    """Return the part of the runtime that a module belongs to: the second word of its name."""
    words = module.split(".")
    return words[1] if len(words) > 1 else words[0]


def _imports_between_parts() -> dict[tuple[str, str], str]:
    parts = {_part(source.module) for source in sources.sources("baremetal-sdk")} - {"baremetal_sdk"}
    found: dict[tuple[str, str], str] = {}
    for source in sources.sources("baremetal-sdk"):
        here = _part(source.module)
        if here == "baremetal_sdk":
            continue
        for line, module in sources.all_imports(source):
            if module.startswith("baremetal_sdk.") and _part(module) not in {here}:
                other = _part(module)
                found.setdefault((here, other if other in parts else "baremetal_sdk"), f"{source.shown}:{line}")
    return found


class ShapeTest(TestCase):
    """Size and shape of files and functions."""

    def test_no_module_imports_a_library_that_patches_threads(self) -> None:
        """No module imports Eventlet, gevent or greenlet, tests included."""
        found = [
            f"{source.shown}:{line} {module}"
            for source in chain(sources.all_sources(), sources.test_sources())
            for line, module in sources.all_imports(source)
            if module.partition(".")[0] in FORBIDDEN_PACKAGES
        ]
        self.assertEqual([], found)

    def test_an_init_file_has_names_and_no_code(self) -> None:
        """``__init__.py`` has a docstring, imports, ``__all__`` and lazy exports."""
        found = [
            f"{source.shown}:{node.lineno}"
            for source in sources.all_sources()
            if source.path.name == "__init__.py"
            for node in source.tree.body
            if not _is_name_or_text(node)
        ]
        self.assertEqual([], found)

    def test_every_name_of_an_init_file_is_there(self) -> None:
        """Each name in ``__all__`` can be imported."""
        for source in sources.all_sources():
            if source.path.name == "__init__.py" and source.module != "baremetal_ironic_bridge":
                module = importlib.import_module(source.module)
                missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
                self.assertEqual([], missing, source.module)

    def test_files_are_short(self) -> None:
        """A module has at most 400 lines, a test module at most 700."""
        longest = chain(
            ((source, MAX_FILE_LINES) for source in sources.all_sources()),
            ((source, MAX_TEST_FILE_LINES) for source in sources.test_sources()),
        )
        found = [f"{source.shown}: {lines} lines" for source, most in longest if (lines := source.text.count("\n")) > most]
        self.assertEqual([], found)

    def test_functions_are_short(self) -> None:
        """A function has at most 60 lines."""
        found = [
            f"{source.shown}:{node.lineno} {node.name}: {length} lines"
            for source in chain(sources.all_sources(), sources.test_sources())
            for node in _functions(source.tree)
            if (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
        ]
        self.assertEqual([], found)

    def test_names_of_modules_say_something(self) -> None:
        """No module is called ``utils``, ``helpers``, ``common`` or ``misc``."""
        files = chain(sources.all_sources(), sources.test_sources())
        self.assertEqual([], [source.shown for source in files if EMPTY_NAMES.match(source.path.stem)])

    def test_nothing_is_left_for_later_in_a_comment(self) -> None:
        """No comment marks unfinished work."""
        here = ROOT / "tests" / "test_architecture.py"
        found = [
            f"{source.shown}:{number}: {line.strip()}"
            for source in chain(sources.all_sources(), sources.test_sources())
            if source.path != here
            for number, line in enumerate(source.text.splitlines(), 1)
            if UNFINISHED.search(line)
        ]
        self.assertEqual([], found)

    def test_public_names_have_a_docstring(self) -> None:
        """Every public module, class and function has a docstring."""
        found = [f"{source.shown}: {name}" for source in sources.all_sources() for name in _undocumented(source)]
        self.assertEqual([], found)


def _is_name_or_text(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return all(_is_name_or_text(item) for item in (*node.body, *node.orelse))
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"__all__", "__getattr__"}


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _undocumented(source: Source) -> Iterator[str]:
    if not ast.get_docstring(source.tree):
        yield "the module"
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.name
