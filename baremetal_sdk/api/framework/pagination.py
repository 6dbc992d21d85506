"""Pagination of listings: the parsing of their query parameters, and the response with the link to the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS, TEXT, UUID, choice, integer
from baremetal_sdk.api.framework.views import FieldSelection, View
from baremetal_sdk.store.records.query import Row

SELECTION_SINCE = 8
DETAIL_SINCE = 43

FIELDS = Parameter(
    "fields",
    STRINGS,
    "The fields to return, separated by commas. The default is all fields of one record, or a few fields in a list.",
    since=SELECTION_SINCE,
)
DETAIL = Parameter(
    "detail",
    BOOLEAN,
    "True to return all fields. It cannot be used together with fields.",
    since=DETAIL_SINCE,
    too_old_status=400,
)
PAGING = (
    Parameter("limit", integer(minimum=1), "The maximum number of records in the response. The service may have a lower limit."),
    Parameter("marker", UUID, "The UUID of the last record of the previous page."),
    Parameter("sort_key", TEXT, "The field to sort by. The default is the order of creation."),
    Parameter(
        "sort_dir", choice("asc", "desc"), "The sort direction: asc for ascending, which is the default, or desc for descending."
    ),
)


class PageRequest(NamedTuple):
    """The parsed query of a listing.

    *marker* is the UUID of the last record of the previous page. *sort_key* None means the order of creation.
    """

    limit: int
    marker: str | None
    sort_key: str | None
    sort_dir: Literal["asc", "desc"]
    selection: FieldSelection


def parse_page_request(request: APIRequest, view: View, *, whole: bool = False) -> PageRequest:
    """Parse the query parameters of a listing. *whole* is true for paths such as ``/detail``, which select all fields.

    Raises ``InvalidInput`` for unknown fields and parameters that exclude each other, and ``NotAcceptable`` for fields that
    need a later microversion.
    """
    query = request.query
    maximum = request.backend.config.api.max_limit
    key = query.get("sort_key", "id")
    return PageRequest(
        limit=min(query.get("limit", maximum), maximum),
        marker=query.get("marker"),
        sort_key=None if key == "id" else view.check_sort_key(request.minor, key),
        sort_dir=query.get("sort_dir", "asc"),
        selection=_select_fields(request, view, whole),
    )


def _select_fields(request: APIRequest, view: View, whole: bool) -> FieldSelection:
    fields, detail = request.query.get("fields"), request.query.get("detail")
    if detail and fields is not None:
        raise InvalidInput("detail, fields: the parameters exclude each other; use one of them")
    if whole or detail:
        return view.whole(request.minor)
    return view.brief(request.minor) if fields is None else view.select(request.minor, fields)


def render_record(request: APIRequest, view: View, record: Any) -> dict[str, Any]:
    """Return *record* as a JSON object with all fields, or with those in the query parameter ``fields``."""
    fields = request.query.get("fields")
    selection = view.whole(request.minor) if fields is None else view.select(request.minor, fields)
    return selection.record(request, record)


def build_page(
    request: APIRequest,
    page: PageRequest,
    rows: Sequence[Row],
    render: Callable[[Sequence[Row]], Sequence[Any]] | None = None,
) -> dict[str, Any]:
    """Return the response for a page of a listing, with a link to the next page if one exists.

    *rows* has up to one row more than the limit. That row is not in the response and only shows that a next page exists.
    *render* turns rows into JSON values; the default is the page's field selection.
    """
    page_rows = rows[: page.limit]
    records = [page.selection.row(request, row) for row in page_rows] if render is None else render(page_rows)
    body: dict[str, Any] = {page.selection.collection: records}
    if len(rows) > page.limit:
        body["next"] = build_next_link(request, page.limit, page_rows[-1]["uuid"])
    return body


def build_next_link(request: APIRequest, limit: int, marker: str) -> str:
    """Return the URL of the page after the record with the UUID *marker*, with the other query parameters of the request."""
    unchanged = {name: _as_text(value) for name, value in request.query.items() if name not in ("limit", "marker")}
    return f"{request.base}{quote(request.path)}?{urlencode({**unchanged, 'limit': limit, 'marker': marker}, safe=',')}"


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
