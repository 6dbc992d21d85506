"""Graph of the imports within a distribution, read from its sources: nothing is imported or run."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable

from tests.sources import Source


def build_import_graph(of: Iterable[Source]) -> dict[str, set[str]]:
    """Map each module to the modules of the same distribution that it imports.

    Every import statement counts: at the top of the module, inside functions, and under ``if TYPE_CHECKING``.
    ``from package import name`` leads to the submodule if *name* is one, and to the package otherwise.
    """
    trees = {source.module: source.tree for source in of}
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        imported: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                for alias in node.names:
                    submodule = f"{node.module}.{alias.name}"
                    imported.add(submodule if submodule in trees else node.module)
        graph[module] = (imported & trees.keys()) - {module}
    return graph


def find_import_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle in *graph*, the first one repeated at the end; empty if no cycle exists."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as exc:
        cycle: list[str] = exc.args[1]
        return cycle
    return []
