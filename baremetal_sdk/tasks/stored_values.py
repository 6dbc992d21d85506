"""View of a node's ``instance_info`` that reads large values, such as a config drive, from the store when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from baremetal_sdk.store.large_values import LargeValues, is_reference


class StoredValues(Mapping[str, Any]):
    """Mapping with the items of *info*. It loads the value of a reference at each access and does not keep it."""

    def __init__(self, info: Mapping[str, Any], values: LargeValues, node: str) -> None:
        self._info = info
        self._values = values
        self._node = node

    def __getitem__(self, name: str) -> Any:
        value = self._info[name]
        return self._values.load(self._node, value) if is_reference(value) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._info)

    def __len__(self) -> int:
        return len(self._info)

    def __contains__(self, name: object) -> bool:
        return name in self._info

    def __repr__(self) -> str:
        # Without the values, which are large and may be secret.
        return f"StoredValues({sorted(self._info)})"
