"""Standard streams of the process: they are open, they print every character, and a failed write is one line of text."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys

_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EBADF, errno.EPIPE, errno.EIO})


class OutputError(Exception):
    """Error raised when standard output cannot be written to. Its text has the reason."""


def prepare_streams() -> None:
    """Open the standard streams that the parent process has closed, and escape characters that the locale cannot encode.

    Otherwise the next file that the process opens, such as the database, would get the descriptor of standard error, to which
    libraries write. Writes to a closed standard output still fail.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor, which is this one
    # Python has no object for a stream that was closed at its start, and print() then does nothing.
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str) -> None:
    """Print *text* to standard output at once. Raises :class:`OutputError` if that fails."""
    try:
        print(text, flush=True)
    except OSError as exc:
        raise _build_error(exc) from exc


def finish_output() -> None:
    """Write the buffered rest of standard output. Raises :class:`OutputError` if that fails."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        raise _build_error(exc) from exc


def report_os_error(error: OSError) -> int:
    """Print an error of the operating system, which may be a failed write to standard output, and return exit code 1."""
    try:
        finish_output()
    except OutputError as exc:
        return report_failure(str(exc), 1)
    return report_failure(describe_os_error(error), 1)


def report_failure(reason: str, code: int) -> int:
    """Print *reason* to standard error as one line, and return the exit code *code*."""
    with contextlib.suppress(OSError):
        print(f"metald: {reason}", file=sys.stderr, flush=True)
    return code


def describe_os_error(error: OSError) -> str:
    """Return the text for an error of the operating system, with the name of the file or the failed operation."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"cannot use {error.filename}: {reason}"
    # Without a buffer, print() itself fails. No other writes of the process raise these errors without the name of a file.
    return f"cannot write to standard output: {reason}" if error.errno in _OUTPUT_ERRORS else reason


def _build_error(error: OSError) -> OutputError:
    # Without this, the interpreter would try to write the rest of the output at its end, and print a second error.
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.close(descriptor)
    return OutputError(f"cannot write to standard output: {error.strerror or error}")
