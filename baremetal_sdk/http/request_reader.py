"""Reader of requests: turns the buffered input of a connection into its current request."""

from __future__ import annotations

import time

from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.keep_alive_worker import PROMPT_REQUEST_S
from baremetal_sdk.http.limits import HTTPLimits

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def read_request(conn: Connection, limits: HTTPLimits, budget: BodyBudget) -> bool:
    """Parse buffered input of *conn*, which is in a reading state. Return whether its request is complete.

    The states follow in order: ``IDLE``, ``READING_HEAD``, ``READING_BODY``. A call passes through several of them if the
    input is available, and sets the deadline of the state in which it stops. Raises ``HTTPError`` for an invalid request.
    """
    if conn.state is ConnectionState.IDLE:
        _begin_head(conn, limits)
    if conn.state is ConnectionState.READING_HEAD:
        if not conn.take_head(limits, budget):
            return False
        if conn.body is not None and not conn.body.is_complete:
            _begin_body(conn)
    body = conn.body
    assert body is not None
    if body.is_complete or body.feed(conn.buffer):
        return True
    # The deadline moves with the bytes that arrive: the average rate counts, not a pause.
    conn.deadline = conn.stage_started_at + limits.grace_period_s + body.received / limits.min_bytes_per_s
    return False


def _begin_head(conn: Connection, limits: HTTPLimits) -> None:
    now = time.monotonic()
    conn.is_prompt = conn.requests_served > 0 and now - conn.active_since < PROMPT_REQUEST_S
    conn.active_since = now
    conn.deadline = now + limits.head_timeout_s
    conn.state = ConnectionState.READING_HEAD


def _begin_body(conn: Connection) -> None:
    conn.stage_started_at = time.monotonic()
    conn.state = ConnectionState.READING_BODY
    # A client whose body has begun to arrive does not wait for the answer.
    if conn.head is not None and conn.head.expects_continue and not conn.buffer:
        conn.output.write(_CONTINUE)
        conn.output.flush()
