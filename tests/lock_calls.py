"""Static search for calls that leave the process, and for callbacks, inside ``with`` blocks that hold a lock.

Nothing is imported or run. Calls are followed into functions of the same module, methods of the same class and its bases, and
methods of attributes that a class creates itself. Functions whose names end with ``_locked`` count as holding a lock.
"""

from __future__ import annotations

import ast
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.sources import Source

_LOCK_NAME = re.compile(r"(^|_)(lock|mutex)$")
_LOCK_MAKERS = frozenset({"Condition", "Lock", "NotifyingLock", "RLock", "Semaphore", "YieldingLock", "condition"})
_MODULES = frozenset({"LOG", "_LOG", "logging", "select", "shutil", "socket", "ssl", "subprocess", "tempfile", "urllib"})
"""Modules and loggers whose functions call out."""
_FUNCTIONS = frozenset({"open", "print", "input", "getaddrinfo", "tls_context", "build_context", "sleep", "urlopen"})
_OS_FUNCTIONS = re.compile(
    r"os\.(path\.)?(exists|fsync|is\w+|listdir|makedirs|open|read|remove|rename|replace|scandir|stat|unlink|write)$"
)
_METHODS = re.compile(
    r"(accept|connect|do_handshake|emit|flush|fsync|iterdir|load_cert_chain|load_default_certs|load_verify_locations|mkdir|open"
    r"|read_bytes|read_text|recv|request|result|sendall|sleep|unlink|urlopen|wrap_socket|write_bytes|write_text)$"
)
_OWNERS = frozenset({"connection", "connector", "driver", "engine", "refusals", "rpc", "session", "store", "transport"})
"""Names of attributes and variables whose methods call a database, a driver or the network."""
_CALLBACK_NAME = re.compile(r"_?on_[a-z_]+$|.*(callback|listener|subscriber|observer|handler|hook)$")
_CLOCK_NAME = re.compile(r".*(clock|now|monotonic|elapsed|wall|time)$")
"""Callables that return the time are no calls out."""
_HARMLESS = frozenset({"logging.getLogger", "logging.makeLogRecord"})


@dataclass(frozen=True)
class CallOut:
    """A call out while a lock is held: its file and line, the function that holds the lock, and the calls that lead to it."""

    shown: str
    line: int
    holder: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.shown}:{self.line} {self.holder} holds a lock and calls {' -> '.join(self.path)}"


@dataclass
class _Scope:
    """A class, or the functions of a module: its functions, and what is known about its attributes."""

    shown: str
    name: str
    module: dict[str, ast.FunctionDef]
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)
    locks: set[str] = field(default_factory=set)
    callables: set[str] = field(default_factory=set)
    attributes: dict[str, str] = field(default_factory=dict)
    """Attribute -> name of the class of which ``__init__`` creates it."""


def find_calls_out(sources: Iterable[Source]) -> Iterator[CallOut]:
    """Yield the calls out of the blocks of all *sources* that hold a lock."""
    yield from _Search(sources).find()


class _Search:
    def __init__(self, sources: Iterable[Source]) -> None:
        self._scopes: list[_Scope] = []
        self._classes: dict[str, _Scope] = {}
        for source in sources:
            module = _Scope(source.shown, "", {})
            self._scopes.append(module)
            for node in source.tree.body:
                if isinstance(node, ast.FunctionDef):
                    module.module[node.name] = module.functions[node.name] = node
                elif isinstance(node, ast.ClassDef):
                    scope = _read_class(node, source.shown, module.module)
                    self._scopes.append(scope)
                    self._classes.setdefault(node.name, scope)

    def find(self) -> Iterator[CallOut]:
        for scope in self._scopes:
            locks = scope.locks.union(*(base.locks for base in self._list_bases(scope)))
            for name, function in scope.functions.items():
                holder = f"{scope.name}.{name}" if scope.name else name
                blocks = [node.body for node in ast.walk(function) if isinstance(node, ast.With) and _holds_lock(node, locks)]
                if name.endswith("_locked"):
                    blocks.append(function.body)
                for block in blocks:
                    for line, path in self._search(block, scope, _list_callables(function), ((scope.name, name),)):
                        yield CallOut(scope.shown, line, holder, path)

    def _search(
        self, body: list[ast.stmt], scope: _Scope, callables: set[str], seen: tuple[tuple[str, str], ...]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        for call in _walk_calls(body):
            name = ast.unparse(call.func)
            found = self._resolve(name, scope)
            if found is None:
                if self._calls_out(name, scope, callables):
                    yield call.lineno, (name,)
                continue
            target, function = found
            key = (target.name or target.shown, function.name)
            if key not in seen:
                for _, path in self._search(function.body, target, _list_callables(function), (*seen, key)):
                    yield call.lineno, (name, *path)

    def _resolve(self, name: str, scope: _Scope) -> tuple[_Scope, ast.FunctionDef] | None:
        """Return the function that a call of *name* runs, with its scope; None if it is not known."""
        if name in scope.module:
            return _Scope(scope.shown, "", scope.module, scope.module), scope.module[name]
        if name in self._classes:
            return self._find_method(self._classes[name], "__init__")
        match name.split("."):
            case ["self", method]:
                return self._find_method(scope, method)
            case ["self", attribute, method]:
                owners = (scope, *self._list_bases(scope))
                kind = next((owner.attributes[attribute] for owner in owners if attribute in owner.attributes), "")
                return self._find_method(self._classes[kind], method) if kind in self._classes else None
        return None

    def _find_method(self, scope: _Scope, method: str) -> tuple[_Scope, ast.FunctionDef] | None:
        owners = (scope, *self._list_bases(scope))
        return next(((owner, owner.functions[method]) for owner in owners if method in owner.functions), None)

    def _list_bases(self, scope: _Scope) -> Iterator[_Scope]:
        for name in scope.bases:
            if name in self._classes and name != scope.name:
                yield self._classes[name]
                yield from self._list_bases(self._classes[name])

    def _calls_out(self, name: str, scope: _Scope, callables: set[str]) -> bool:
        *owners, last = name.split(".")
        if name in _HARMLESS or _CLOCK_NAME.match(last):
            return False
        if name in callables or _OS_FUNCTIONS.match(name):
            return True
        if not owners:
            return name in _FUNCTIONS or bool(_CALLBACK_NAME.match(name))
        if owners == ["self"] and any(last in owner.callables for owner in (scope, *self._list_bases(scope))):
            return True
        is_owner = owners[-1].lstrip("_") in _OWNERS and last not in vars(OrderedDict)
        return owners[0] in _MODULES or is_owner or bool(_METHODS.match(last)) or bool(_CALLBACK_NAME.match(last))


def _read_class(node: ast.ClassDef, shown: str, module: dict[str, ast.FunctionDef]) -> _Scope:
    scope = _Scope(shown, node.name, module, bases=[ast.unparse(base).partition("[")[0] for base in node.bases])
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            scope.functions[member.name] = member
    for function in scope.functions.values():
        given = _list_callables(function)
        for assignment in ast.walk(function):
            if not isinstance(assignment, ast.Assign | ast.AnnAssign) or assignment.value is None:
                continue
            targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
            names = {ast.unparse(target).removeprefix("self.") for target in targets if ast.unparse(target).startswith("self.")}
            if isinstance(assignment.value, ast.Call):
                made = ast.unparse(assignment.value.func).rpartition(".")[2]
                scope.attributes |= dict.fromkeys(names, made)
                if made in _LOCK_MAKERS:
                    scope.locks |= names
            elif ast.unparse(assignment.value) in given:
                scope.callables |= names
    return scope


def _list_callables(function: ast.FunctionDef) -> set[str]:
    """Return the parameters of a function that are annotated as callables."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return {argument.arg for argument in arguments if argument.annotation and "Callable" in ast.unparse(argument.annotation)}


def _holds_lock(node: ast.With, locks: set[str]) -> bool:
    names = [ast.unparse(item.context_expr).removesuffix("()").rpartition(".")[2] for item in node.items]
    return any(name in locks or _LOCK_NAME.search(name) for name in names)


def _walk_calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that *body* makes itself, without those of functions that it only defines."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)
