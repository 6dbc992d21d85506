"""Makes Schemathesis use the names of existing resources in most requests, and generated names in the others."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import schemathesis

EXISTING: dict[str, list[str]] = json.loads(Path(os.environ["OPENAPI_WORLD"]).read_text(encoding="utf-8"))


@schemathesis.hook  # type: ignore[misc, unused-ignore]
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replace three of four generated names by those of existing resources. Deletions use the later half of them only."""
    parameters = dict(path_parameters or {})
    deletes = context.operation.method.upper() == "DELETE" and context.operation.path.rstrip("}").rpartition("{")[2] in EXISTING
    for name, generated in parameters.items():
        values = EXISTING.get(name, [])
        last = context.operation.path.endswith(f"{{{name}}}")
        choice = zlib.crc32(str(generated).encode(errors="replace"))
        candidates = values[len(values) // 2 :] if deletes and last and len(values) > 1 else values
        if candidates and choice % 4:
            parameters[name] = candidates[(choice // 4) % len(candidates)]
    return parameters or path_parameters
