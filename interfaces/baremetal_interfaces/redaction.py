"""Removal of secrets from foreign text: texts of exceptions, responses of BMCs, URLs, headers and log lines.

Foreign text is redacted before it becomes a part of a sentence of the runtime. The sentences themselves contain no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from baremetal_interfaces.errors import BareMetalError, InvalidInput, Problem
from baremetal_interfaces.secret_fields import MASK, is_secret_name, mask_urls
from baremetal_interfaces.text import clean_text

_MAX_DEPTH = 40
_LONG_SECRET, _PREFIX = 1024, 64
"""A secret of more characters than the first number, such as a configuration drive, is recognized by its first characters."""
_DISTINCTIVE_LENGTH = 8
# Words of ordinary messages. As a password, such a word is masked only where the text shows a credential: elsewhere the mask
# would reveal the password, and would make the message unreadable.
_ORDINARY_WORDS = frozenset(
    """
    about access account active address admin administrator again allowed an and answer api argument as at auth
    authentication automatic away back bad bios bmc body boot busy by call cannot change check class clean client code
    command conductor connect connection console content controller correct credential credentials data deadline default
    deploy detail device disk does done down drive driver each empty error event every expired fail failed fails failure
    false field file firmware for force from hardware has host http https info input inspect instance interface invalid
    ipmi is its kind later limit line list local lock locked login machine maintenance management manager media message
    method missing mode model more name needs network new node none not null number object oem of off offer one online
    only open operation operator option or out pass password path pending port power problem protocol public rack raid
    read ready reason reboot redfish refused refuses request rescue reset resource response result retry root running
    secret secure sensor server service session set setup shut size slot soft start state status step stop storage
    string supermicro supported system target task test text than the this time timeout token too true try type
    unavailable unknown unreachable unsupported up update url user username value vendor version virtual volume wait was
    with wrong
    """.split()  # noqa: SIM905
)
_CREDENTIAL_WORD = r"(?:passw(?:or)?d|pwd|passphrase|token|secret|credentials?|community|key)s?"
# Headers whose value is a secret, in the forms "Name: value" and {'Name': 'value'}.
_HEADER = re.compile(r"""\b((?:proxy-)?authorization|x-auth-token|set-cookie|cookie)(["']?\s*[:=]\s*["']?)([^"'\r\n,}]+)""", re.I)
_BEARER = re.compile(r"\b(bearer|basic)( +)([\w+/=.~-]{16,})", re.I)


def spellings(secret: str) -> tuple[str, ...]:
    """Return the forms in which *secret* can occur in a text: verbatim, escaped, quoted for a URL, in base64 and hexadecimal."""
    # Imported here, because most importers of the contract never redact anything.
    import base64
    import json
    from html import escape
    from urllib.parse import quote, quote_plus

    raw = secret.encode("utf-8", "surrogatepass")
    quoted = (quote(raw, safe=""), quote(raw), quote_plus(raw))
    forms = (
        secret,
        *quoted,
        *(re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted),
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        json.dumps(secret)[1:-1],
        escape(secret),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
    )
    return tuple(dict.fromkeys(forms))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return *text*, which comes from elsewhere, with each form of each of the *secrets* replaced by the mask.

    A short secret is replaced only where it is a whole word. A secret that is an ordinary word, such as ``power``, or has fewer
    than four characters is replaced only where the text shows a credential, such as ``password: power``.
    """
    for pattern in _patterns(tuple(secrets)):
        text = pattern.sub(_mask_match, text)
    return text


def redact_text(text: str, secrets: Iterable[str]) -> str:
    """Return the foreign *text* without *secrets*, credentials in URLs and values of authentication headers, in one line."""
    text = mask_urls(scrub(text, secrets))
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    return clean_text(_BEARER.sub(rf"\1\2{MASK}", text))


def scrub_value(value: Any, secrets: Iterable[str]) -> Any:
    """Return *value* with the *secrets* masked at any depth, also in names, in bytes, and in the texts of other objects."""
    values = tuple(secrets)
    return _replace(value, lambda text: scrub(text, values), lambda name: False)


def redact_value(value: Any, secrets: Iterable[str]) -> Any:
    """Return *value* with masks for *secrets*, for credentials in URLs, and for texts in fields with names of secrets."""
    values = tuple(secrets)
    return _replace(value, lambda text: mask_urls(scrub(text, values)), is_secret_name)


def _replace(value: Any, replace: Callable[[str], str], is_secret: Callable[[str], bool], depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return replace(value)
    if depth > _MAX_DEPTH:
        return MASK
    if isinstance(value, Mapping):
        return {
            _replace(key, replace, is_secret, depth + 1): MASK
            if item and isinstance(item, str) and is_secret(str(key))
            else _replace(item, replace, is_secret, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = [_replace(item, replace, is_secret, depth + 1) for item in value]
        make: Callable[[list[Any]], Any] = getattr(type(value), "_make", type(value))
        return make(items)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else describe(value)
    replaced = replace(text)
    return value if replaced == text else replaced


def redact_error(exc: BareMetalError, secrets: Iterable[str]) -> BareMetalError:
    """Remove *secrets* from all parts of the error *exc*, and return it.

    These are its message, arguments, details, problems, notes and other attributes. Its cause and context are dropped.
    """
    values = tuple(secrets)
    problems = exc.problems if isinstance(exc, InvalidInput) else ()
    lists_problems = bool(problems) and exc.message == ". ".join(map(str, problems))
    if isinstance(exc, InvalidInput) and problems:
        exc.problems = tuple(_redact_problem(problem, values) for problem in problems)
    if lists_problems:
        exc.message = ". ".join(map(str, exc.problems))  # type: ignore[attr-defined]
    elif getattr(exc, "_redacted", None) != exc.message:
        exc.message = clean_text(mask_urls(scrub(describe(exc.message), values)))
    for name, value in list(vars(exc).items()):
        if name not in ("message", "problems", "retry_after", "_redacted"):
            vars(exc)[name] = redact_value(value, values)
    exc.args = (exc.message,)
    # The original exceptions may contain a secret: drop the cause, and hide the context from tracebacks.
    exc.__cause__ = None
    exc.__context__ = None
    exc.__suppress_context__ = True
    return mark_redacted(exc)


def mark_redacted(exc: BareMetalError) -> BareMetalError:
    """Note that the message of *exc* has been redacted, and return it. A second redaction would change our own words in it."""
    vars(exc)["_redacted"] = exc.message
    return exc


def describe(exc: object) -> str:
    """Return ``str(exc)``, also if the method of its class fails."""
    try:
        return str(exc)
    except Exception as error:
        return f"(its text cannot be read: {type(error).__name__})"


def _redact_problem(problem: Problem, secrets: tuple[str, ...]) -> Problem:
    wrong = problem.wrong
    if is_secret_name(re.split(r"[/.]", str(problem.field))[-1]):
        # The text is about the secret itself, so an ordinary word is masked here, too.
        for secret in secrets:
            if len(secret) > 2:
                wrong = re.sub(_build_pattern(secret), MASK, str(wrong))
    texts = (problem.field, wrong, problem.allowed)
    return Problem(*(clean_text(mask_urls(scrub(describe(text), secrets))) for text in texts))


def _mask_match(found: re.Match[str]) -> str:
    return (found.groupdict().get("before") or "") + MASK


@lru_cache(maxsize=512)
def _patterns(secrets: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Return the patterns that find *secrets* in texts."""
    strict: set[str] = set()
    ordinary: set[str] = set()
    for secret in secrets:
        for part in _split_secret(secret):
            if len(part) < 4 or part.lower() in _ORDINARY_WORDS:
                ordinary.add(re.escape(part))
                strict.update(form for form in map(_distinctive_form, spellings(part)[1:]) if form)
            else:
                strict.update(map(_build_pattern, spellings(part)) if len(part) <= _LONG_SECRET else [_begin_of(part)])
            strict.update(_base64_cores(part))
    # Longer forms come first. Otherwise a secret that contains another one would remain partly readable.
    patterns = [re.compile("|".join(sorted(strict, key=len, reverse=True)))] if strict else []
    if ordinary:
        words = "|".join(sorted(ordinary, key=len, reverse=True))
        quoted = "|".join(sorted(word for word in ordinary if not re.fullmatch(_CREDENTIAL_WORD, word, re.I))) or r"(?!)"
        patterns.append(
            re.compile(
                rf"""(?P<before>\b{_CREDENTIAL_WORD}["']?(?:\s*[:=]\s*|\s+(?:is\s+|was\s+)?)["']?|://[^\s/@:]*:)(?:{words})(?!\w)""",
                re.IGNORECASE,
            )
        )
        patterns.append(re.compile(rf"""(?P<before>['"`])(?:{quoted})(?=['"`])"""))
    return tuple(patterns)


def _split_secret(secret: str) -> Iterable[str]:
    """Return the secret and, of a secret with several lines such as a private key, each long line."""
    if not secret or secret == MASK:
        return ()
    lines = secret.splitlines() if len(secret) <= 16 * _LONG_SECRET else []
    return dict.fromkeys((secret, *(line for line in lines if len(line) >= 2 * _DISTINCTIVE_LENGTH and line != secret)))


def _begin_of(secret: str) -> str:
    return re.escape(secret[:_PREFIX]) + r"\S*"


def _build_pattern(form: str) -> str:
    """Return the pattern of a form of a secret: anywhere if it is distinctive, else only as a whole word."""
    pattern = re.sub("%[0-9A-F]{2}", lambda found: f"(?i:{found[0]})", re.escape(form))
    if len(form) >= _DISTINCTIVE_LENGTH and not form.isalpha():
        return pattern
    return (r"(?<!\w)" if re.match(r"\w", form) else "") + pattern + (r"(?!\w)" if re.search(r"\w\Z", form) else "")


def _distinctive_form(form: str) -> str | None:
    """Return the pattern of an encoded form of an ordinary word. None if a text may contain it by chance."""
    return re.escape(form) if len(form) >= _DISTINCTIVE_LENGTH and not form.isalpha() else None


def _base64_cores(secret: str) -> Iterable[str]:
    """Return patterns of base64 texts that contain *secret* anywhere, as ``base64(user:password)`` does."""
    import base64

    raw = secret[:_LONG_SECRET].encode("utf-8", "surrogatepass")
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        # The first and the last characters also depend on the neighbors of the secret.
        core = encoded[(0, 2, 3)[offset] : len(encoded) - 1 if (offset + len(raw)) % 3 else len(encoded)]
        if len(core) >= _DISTINCTIVE_LENGTH:
            for form in {core, core.replace("+", "-").replace("/", "_")}:
                # A match begins at the start of a word. Without that condition, the search would try each of its characters,
                # and a word of 100,000 characters from a BMC would occupy the interpreter for minutes.
                yield rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]*{re.escape(form)}[A-Za-z0-9+/_=-]*"
