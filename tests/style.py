"""Finds slips of style in the sources and the documentation: idioms, vague names, names that are no verbs.

``CONTRIBUTING.rst`` has the rules and the reasons. ``python -m tests.style`` lists every finding with its place.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import sources
from tests.sources import ROOT, Source

# examples of what is counted; this file is not
IDIOMS = re.compile(
    r"\b(?:whoever|nobody|somebody|thereof|anew)\b"
    r"|\b(?:is|are|was|were) told\b|\b(?:tell|tells|told) (?:of|whoever|who)\b"
    r"|\bas ever\b|\b(?:goes|go|gone) on\b|\bhas its turn\b|\bby now\b|\ball the same\b"
    r"|\bwhere (?:there is|it has) (?:one|none)\b"
    r"|\bat (?:the )?(?:most|least)\b[.,;]"
    r"|(?:^|[.;:] )What (?:is|was|has|had|can|cannot|a|the|fails|it)\b"
    r"|(?:^|[.;:] )Who (?:is|was|has|had|asks|comes|may)\b"
    r"|\bwhatever else\b|\b(?:one )?of (?:its|their|our|one's) own\b|\bis (?:nobody|somebody)'s\b"
    r"|\bthe rest of it\b|\bcomes? to be\b|\b(?:gone|come) by\b|\bin the meantime\b"
    r"|\bis not there\b|\bthere (?:may|shall) be\b[.,;]|\bfor good\b|\bas it (?:is|was)\b[.,;]"
    r"|\bgives? way\b|\btakes? note\b|\bmakes? room\b",
    re.IGNORECASE | re.MULTILINE,
)
"""Idioms that make a sentence hard to read: a pronoun as its subject, a metaphor, a postposed limit."""

VAGUE_CONSTANT = re.compile(
    r"^_?(?:MOST|AT_ONCE|LONGEST|PATIENCE|REST|LATER|MOMENT|LAST_WORD|BEHIND|SILENCE|FRESH|PLENTY|NOT_YOU|COME_BACK|APART"
    r"|ELSEWHERE|ROOM|OURS|LAST_CHANCE|OVER|AWAY|PART|LOOKS|ENOUGH|SOON|OFTEN|FEW|MANY)$"
)
"""Names of constants that say neither what they hold nor its unit."""

PARTICIPLE = re.compile(
    r"^_?(?:told|known|gone|taken|given|made|shown|seen|done_with|kept|held|left|sent|read_of|written|forgotten|begun|driven"
    r"|chosen|broken|drawn|found|bound|built|brought|caught|put|set_of|[a-z]+(?:[b-df-hj-np-tv-z])ed)$"
)
"""Functions named by a bare participle."""
PUBLISHED = frozenset({"bounded", "deprecated", "supported"})
"""Names of the contract that plugins use, and the name that Python gives to its decorator of the same purpose."""
NOT_PARTICIPLES = frozenset({"embed", "feed", "need", "speed", "seed", "exceed", "proceed", "succeed", "put", "shed"})


@dataclass(frozen=True)
class Finding:
    """One slip: its place, its kind and the text."""

    place: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}: {self.text}"


def texts_of(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring, comment and message of a file."""
    seen = set()
    for node in ast.walk(source.tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") >= 3
        if is_text and node.value not in seen:
            seen.add(node.value)
            yield node.lineno, node.value
    for number, line in enumerate(source.text.splitlines(), 1):
        comment = re.search(r"(?:^|\s)# (.*)", line)
        if comment:
            yield number, comment.group(1)


def documents() -> Iterator[Path]:
    """Yield the pages of the documentation, the release notes and the files at the root."""
    yield from sorted((ROOT / "doc" / "source").rglob("*.rst"))
    yield from sorted((ROOT / "releasenotes" / "notes").glob("*.yaml"))
    yield from sorted([*ROOT.glob("*.md"), *ROOT.glob("*.rst")])


def without_examples(text: str) -> str:
    """Return *text* without what stands between the marks of examples of bad style."""
    text = re.sub(r"<!-- examples -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    return re.sub(r"\.\. examples.*?\.\. end", "", text, flags=re.DOTALL)


def count_words() -> int:
    """Return the number of words in which idioms are counted."""
    in_sources = sum(len(text.split()) for source in sources.all_sources() for _, text in texts_of(source))
    return in_sources + sum(len(without_examples(path.read_text(encoding="utf-8")).split()) for path in documents())


def find_idioms() -> Iterator[Finding]:
    """Yield each idiom in sources, documentation and release notes."""
    for source in sources.all_sources():
        for line, text in texts_of(source):
            for match in IDIOMS.finditer(text):
                yield Finding(f"{source.shown}:{line}", "idiom", match.group(0))
    for path in documents():
        text = without_examples(path.read_text(encoding="utf-8"))
        for match in IDIOMS.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Finding(f"{path.relative_to(ROOT)}:{line}", "idiom", match.group(0))


def find_vague_constants() -> Iterator[Finding]:
    """Yield each constant whose name says neither what it holds nor its unit."""
    for source in sources.all_sources():
        for node in ast.walk(source.tree):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            for target in targets:
                if isinstance(target, ast.Name) and VAGUE_CONSTANT.match(target.id):
                    yield Finding(f"{source.shown}:{target.lineno}", "vague constant", target.id)


def find_participles() -> Iterator[Finding]:
    """Yield each function, except properties, that is named by a bare participle."""
    for source in sources.all_sources():
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.FunctionDef) or node.name.lstrip("_") in NOT_PARTICIPLES | PUBLISHED:
                continue
            decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
            if PARTICIPLE.match(node.name) and not decorators & {"property", "cached_property", "functools.cached_property"}:
                yield Finding(f"{source.shown}:{node.lineno}", "participle as a name", node.name)


def find_doubled_classes() -> Iterator[Finding]:
    """Yield each public class name that the contract and the runtime use more than once."""
    places = defaultdict(list)
    for distribution in ("baremetal-interfaces", "baremetal-sdk"):
        for source in sources.sources(distribution):
            for node in source.tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(f"{source.shown}:{node.lineno}")
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield Finding(where[0], "class name used again", f"{name} ({', '.join(where[1:])})")


def main() -> None:
    """Print every finding, and the share of idioms."""
    idioms = list(find_idioms())
    for finding in (*idioms, *find_vague_constants(), *find_participles(), *find_doubled_classes()):
        print(finding)
    print(f"{1000 * len(idioms) / count_words():.2f} idioms per 1,000 words")


if __name__ == "__main__":
    main()
