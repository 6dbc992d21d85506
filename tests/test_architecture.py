"""The rules of the house that a machine can check; ``architecture.toml`` lists what is allowed."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

from testtools import TestCase

from tests import sources
from tests.sources import ROOT, ROOTS, Source

ALLOWED: dict[str, Any] = tomllib.loads((ROOT / "tests" / "architecture.toml").read_text(encoding="utf-8"))

REFUSED = {"eventlet", "gevent", "greenlet"}
APART = {"baremetal-ironic-bridge"}
"""What is installed, and run, in an environment of its own."""
LONGEST_FILE = 400
LONGEST_TEST_FILE = 700
LONGEST_FUNCTION = 60
EMPTY_NAMES = re.compile(r"^(utils?|helpers?|common|misc)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NOTE\(\w+\)")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?(.*)$")


def _normal(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class DistributionsTest(TestCase):
    """What each distribution may import is what it declares, and both stand in one table."""

    def test_each_distribution_imports_only_what_the_table_allows(self) -> None:
        """An import from outside is in the table under the distribution that does it, or it is not done."""
        strangers = []
        for distribution in ROOTS:
            own = sources.package_of(distribution)
            allowed = {own, *ALLOWED["distributions"][distribution]}
            for source in sources.sources(distribution):
                for line, module in sources.all_imports(source):
                    top = module.partition(".")[0]
                    if top not in allowed and not sources.is_standard(top) and not _is_excepted(source, top):
                        strangers.append(f"{source.shown}:{line} imports {module}")
        self.assertEqual([], strangers)

    def test_the_table_names_nothing_that_is_not_imported(self) -> None:
        """A dependency that nobody uses is not declared."""
        for distribution in ROOTS:
            imported = chain.from_iterable(sources.all_imports(source) for source in sources.sources(distribution))
            found = {module.partition(".")[0] for _, module in imported}
            self.assertEqual(set(), set(ALLOWED["distributions"][distribution]) - found, distribution)

    def test_packaging_declares_what_the_table_says(self) -> None:
        """The requirements of a distribution are those of the table, no more and no fewer."""
        for distribution in ROOTS:
            expected = {_normal(name) for name in ALLOWED["distributions"][distribution].values()}
            declared = {_normal(REQUIREMENT.match(one)[1]) for one in sources.packaging(distribution).requirements}  # type: ignore[index]
            self.assertEqual(expected, declared, distribution)

    def test_what_a_part_needs_beyond_that_is_an_extra(self) -> None:
        """A module that only a part of a distribution imports is brought by one of its extras."""
        extras = chain.from_iterable(sources.packaging(distribution).extras.values() for distribution in ROOTS)
        brought = {_normal(REQUIREMENT.match(one)[1]) for one in chain.from_iterable(extras)}  # type: ignore[index]
        modules = chain.from_iterable(ALLOWED["extras"].values())
        needed = {_normal(ALLOWED["namespaces"].get(module, module)) for module in modules}
        self.assertEqual(set(), needed - brought)

    def test_every_requirement_is_bounded_on_both_sides(self) -> None:
        """A dependency has a lowest version that was tried and stops before a major release that was not."""
        unbounded = []
        for distribution in ROOTS:
            declared = sources.packaging(distribution)
            for requirement in chain(declared.requirements, *declared.extras.values()):
                bounds = REQUIREMENT.match(requirement)[2]  # type: ignore[index]
                if not (re.search(r">=\d", bounds) and re.search(r"<\d", bounds)):
                    unbounded.append(f"{distribution}: {requirement}")
        self.assertEqual([], unbounded)

    def test_every_distribution_supports_the_same_pythons_and_has_a_static_version(self) -> None:
        """Version and Python are the same everywhere, and need no tool to be known."""
        declared = [sources.packaging(distribution) for distribution in ROOTS]
        self.assertEqual({">=3.11,<3.14"}, {one.python for one in declared})
        self.assertEqual({"0.1.0"}, {one.version for one in declared})
        self.assertEqual(list(ROOTS), [one.name for one in declared])

    def test_packages_are_named_one_by_one_and_none_is_forgotten(self) -> None:
        """What lies in the tree is what is packaged."""
        for distribution in ROOTS:
            found = {source.module for source in sources.sources(distribution) if source.path.name == "__init__.py"}
            self.assertEqual(found, set(sources.packaging(distribution).packages), distribution)
            files = {source.path for source in sources.sources(distribution)}
            self.assertEqual(set(), {path for path in files if path.parent / "__init__.py" not in files}, distribution)

    def test_every_package_is_marked_as_typed(self) -> None:
        """A type checker that meets a package of ours reads its annotations."""
        for distribution in ROOTS:
            package = sources.package_of(distribution)
            self.assertIn("py.typed", sources.packaging(distribution).package_data[package])
            self.assertTrue((ROOT / ROOTS[distribution] / package / "py.typed").exists(), distribution)

    def test_package_data_that_is_declared_exists(self) -> None:
        """A pattern that fits no file is a file that was forgotten."""
        for distribution in ROOTS:
            for package, patterns in sources.packaging(distribution).package_data.items():
                for pattern in patterns:
                    found = list((ROOT / ROOTS[distribution] / package.replace(".", "/")).glob(pattern))
                    self.assertNotEqual([], found, f"{package}: {pattern}")

    def test_every_entry_point_names_a_class_that_is_there(self) -> None:
        """An entry point leads to a class of the distribution that declares it."""
        for distribution in ROOTS:
            for group, points in sources.packaging(distribution).entry_points.items():
                for name, target in points.items():
                    module, _, attribute = target.partition(":")
                    self.assertTrue(module.startswith(sources.package_of(distribution)), target)
                    if distribution in APART:
                        continue
                    found = getattr(importlib.import_module(module), attribute)
                    # oslo.policy and the shell ask for a function; what is ours to define are classes.
                    of_functions = group in ("console_scripts", "oslo.policy.policies")
                    self.assertTrue(callable(found) if of_functions else isinstance(found, type), f"{group}: {name}")

    def test_no_entry_point_is_claimed_twice(self) -> None:
        """A name of a group belongs to one distribution."""
        claims = defaultdict(list)
        for distribution in ROOTS:
            for group, points in sources.packaging(distribution).entry_points.items():
                for name in points:
                    claims[group, name].append(distribution)
        self.assertEqual({}, {claim: owners for claim, owners in claims.items() if len(owners) > 1})


def _is_excepted(source: Source, top: str) -> bool:
    """Whether a part of a distribution, such as the conformance kit, has this as an extra."""
    return any(source.module.startswith(module) and top in allowed for module, allowed in ALLOWED["extras"].items())


class ModulesTest(TestCase):
    """The runtime's modules depend on each other along a list without a cycle."""

    def test_modules_import_only_along_the_listed_arrows(self) -> None:
        """An arrow between two parts of the runtime is in the list, or it is not there; and the list has no others."""
        listed = {(part, other) for part, others in ALLOWED["modules"].items() for other in others}
        found = _arrows()
        self.assertEqual([], [f"{part} -> {other}: {found[part, other]}" for part, other in sorted(found.keys() - listed)])
        self.assertEqual([], sorted(listed - found.keys()), "listed, and not in the code")

    def test_the_listed_arrows_have_no_cycle(self) -> None:
        """The parts of the runtime can be put in an order in which each uses only those before it."""
        order = list(graphlib.TopologicalSorter(ALLOWED["modules"]).static_order())
        self.assertNotEqual([], order)

    def test_every_part_of_the_runtime_is_in_the_list(self) -> None:
        """A new module is a decision: it is listed, if only with nothing."""
        parts = {_part(source.module) for source in sources.sources("baremetal-sdk")} - {"baremetal_sdk"}
        self.assertEqual(set(), parts ^ ALLOWED["modules"].keys())

    def test_builtin_interfaces_know_nothing_but_the_contract(self) -> None:
        """What comes with the runtime is written against the contract alone, as a plugin is."""
        for source in sources.sources("baremetal-sdk"):
            if source.module.startswith("baremetal_sdk.drivers.builtin"):
                ours = {module for _, module in sources.all_imports(source) if module.startswith("baremetal_sdk")}
                others = {module for module in ours if not module.startswith("baremetal_sdk.drivers.builtin")}
                self.assertEqual(set(), others, source.shown)


def _part(module: str) -> str:
    """The part of the runtime that a module belongs to: the second word of its name."""
    words = module.split(".")
    return words[1] if len(words) > 1 else words[0]


def _arrows() -> dict[tuple[str, str], str]:
    parts = {_part(source.module) for source in sources.sources("baremetal-sdk")} - {"baremetal_sdk"}
    found: dict[tuple[str, str], str] = {}
    for source in sources.sources("baremetal-sdk"):
        here = _part(source.module)
        if here == "baremetal_sdk":
            continue
        for line, module in sources.imports_at_run_time(source):
            if module.startswith("baremetal_sdk.") and _part(module) not in {here}:
                other = _part(module)
                found.setdefault((here, other if other in parts else "baremetal_sdk"), f"{source.shown}:{line}")
    return found


class HouseRulesTest(TestCase):
    """Size and shape of files and functions."""

    def test_nobody_imports_what_patches_threads(self) -> None:
        """Eventlet, gevent and greenlet are imported nowhere, tests included."""
        found = [
            f"{source.shown}:{line} {module}"
            for source in chain(sources.all_sources(), sources.test_sources())
            for line, module in sources.all_imports(source)
            if module.partition(".")[0] in REFUSED
        ]
        self.assertEqual([], found)

    def test_an_init_file_holds_names_and_no_code(self) -> None:
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
        """What ``__all__`` promises can be imported."""
        for source in sources.all_sources():
            if source.path.name == "__init__.py" and source.module != "baremetal_ironic_bridge":
                module = importlib.import_module(source.module)
                missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
                self.assertEqual([], missing, source.module)

    def test_files_are_short(self) -> None:
        """A file of ours has one idea, and room for it; a test file has a little more."""
        longest = chain(
            ((source, LONGEST_FILE) for source in sources.all_sources()),
            ((source, LONGEST_TEST_FILE) for source in sources.test_sources()),
        )
        found = [f"{source.shown}: {lines} lines" for source, most in longest if (lines := source.text.count("\n")) > most]
        self.assertEqual([], found)

    def test_functions_are_short(self) -> None:
        """A function fits on a page."""
        found = [
            f"{source.shown}:{node.lineno} {node.name}: {length} lines"
            for source in chain(sources.all_sources(), sources.test_sources())
            for node in _functions(source.tree)
            if (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
        ]
        self.assertEqual([], found)

    def test_names_of_modules_say_something(self) -> None:
        """There is no drawer for what has no place."""
        files = chain(sources.all_sources(), sources.test_sources())
        self.assertEqual([], [source.shown for source in files if EMPTY_NAMES.match(source.path.stem)])

    def test_nothing_is_left_for_later_in_a_comment(self) -> None:
        """What is not done is not in the code."""
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
        """Every public module, class and function says what it is."""
        found = [f"{source.shown}: {name}" for source in sources.all_sources() for name in _undocumented(source)]
        self.assertEqual([], found)


def _is_name_or_text(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return all(_is_name_or_text(one) for one in (*node.body, *node.orelse))
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
