"""Pages: the query parameters that all listings have, and the answer with its link to the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS, TEXT, UUID, choice, integer
from baremetal_sdk.api.framework.views import FieldSelection, View
from baremetal_sdk.store.records.query import Row

SELECTION_SINCE = 8
DETAIL_SINCE = 43

FIELDS = Parameter("fields", STRINGS, "The fields to show, with commas between them.", since=SELECTION_SINCE)
DETAIL = Parameter("detail", BOOLEAN, "Whether to show all fields.", since=DETAIL_SINCE, too_old_status=400)
PAGING = (
    Parameter("limit", integer(minimum=1), "Records in the answer, at most."),
    Parameter("marker", UUID, "The UUID of the last record of the page before."),
    Parameter("sort_key", TEXT, "The field to sort by; by default the order of creation."),
    Parameter("sort_dir", choice("asc", "desc"), "Whether to sort from the lowest or from the highest."),
)


class PageRequest(NamedTuple):
    """What a listing was asked for."""

    limit: int
    marker: str | None
    sort_key: str | None
    sort_dir: Literal["asc", "desc"]
    selection: FieldSelection


def parse_page_request(request: APIRequest, view: View, *, whole: bool = False) -> PageRequest:
    """Read the parameters of a listing. *whole* is whether its path alone asks for all fields."""
    asked = request.query
    maximum = request.backend.config.api.max_limit
    key = asked.get("sort_key", "id")
    return PageRequest(
        limit=min(asked.get("limit", maximum), maximum),
        marker=asked.get("marker"),
        sort_key=None if key == "id" else view.check_sort_key(request.minor, key),
        sort_dir=asked.get("sort_dir", "asc"),
        selection=_shape(request, view, whole),
    )


def _shape(request: APIRequest, view: View, whole: bool) -> FieldSelection:
    fields, detail = request.query.get("fields"), request.query.get("detail")
    if detail and fields is not None:
        raise InvalidInput("detail, fields: they cannot be given together; detail=True shows all fields")
    if whole or detail:
        return view.whole(request.minor)
    return view.brief(request.minor) if fields is None else view.selected(request.minor, fields)


def render_record(request: APIRequest, view: View, record: Any) -> dict[str, Any]:
    """One record, whole or with the fields that were asked for."""
    fields = request.query.get("fields")
    selection = view.whole(request.minor) if fields is None else view.selected(request.minor, fields)
    return selection.record(request, record)


def build_page(
    request: APIRequest, asked: PageRequest, rows: Sequence[Row], shown: Callable[[Sequence[Row]], Sequence[Any]] | None = None
) -> dict[str, Any]:
    """A page of rows, of which one more than the limit says that there is another page. *shown* makes JSON of them."""
    of_page = rows[: asked.limit]
    records = [asked.selection.row(request, row) for row in of_page] if shown is None else shown(of_page)
    body: dict[str, Any] = {asked.selection.collection: records}
    if len(rows) > asked.limit:
        body["next"] = next_link(request, asked.limit, of_page[-1]["uuid"])
    return body


def next_link(request: APIRequest, limit: int, marker: str) -> str:
    """The URL of the page after the record *marker*, with all that was asked for."""
    kept = {name: _as_text(value) for name, value in request.query.items() if name not in ("limit", "marker")}
    return f"{request.base}{request.path}?{urlencode({**kept, 'limit': limit, 'marker': marker}, safe=',')}"


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
