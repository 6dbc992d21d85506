"""Resources of a simulated Redfish BMC for the service root and the session service: versions, login and logout."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_fake.redfish.errors import RedfishError, missing_resource, no_session, unknown_property, wrong_type
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route
from baremetal_fake.redfish.session_table import Session

_SESSIONS = ("SessionService", "Sessions")
_READ_METHODS, _LOGIN_METHODS = frozenset({"GET", "HEAD"}), frozenset({"POST"})
"""HTTP methods that need no credentials: the first set at the service root, the second at the collection of sessions."""


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the service root and the session service."""
    return [
        Route("", {"GET": make_reader("get_root", _root)}, public_methods=_READ_METHODS),
        Route("odata", {"GET": make_reader("get_root", _odata)}, public_methods=_READ_METHODS),
        Route("SessionService", {"GET": make_reader("get_sessions", _session_service), "PATCH": _set_timeout}),
        Route(
            "SessionService/Sessions",
            {"GET": make_reader("get_sessions", _sessions), "POST": _log_in},
            public_methods=_LOGIN_METHODS,
        ),
        Route("SessionService/Sessions/*", {"GET": make_reader("get_sessions", _session), "DELETE": _log_out}),
    ]


def versions() -> Route:
    """Return the route of ``/redfish``, which lists the versions of the protocol and the root path of each."""
    return Route("", {"GET": make_reader("get_root", lambda _: {"v1": f"{ROOT}/"})}, public_methods=_READ_METHODS)


def _root(exchange: Exchange) -> dict[str, Any]:
    return {
        **link(),
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Simulated BMC",
        "RedfishVersion": "1.17.0",
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, exchange.bmc.names[0])),
        "Vendor": "Baremetal",
        "Product": "Simulated BMC",
        "ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": False, "ExpandAll": False, "Links": False, "Levels": False}},
        "Systems": link("Systems"),
        "Managers": link("Managers"),
        "Chassis": link("Chassis"),
        "UpdateService": link("UpdateService"),
        "EventService": link("EventService"),
        "Registries": link("Registries"),
        "Tasks": link("TaskService"),
        "SessionService": link("SessionService"),
        "Links": {"Sessions": link(*_SESSIONS)},
    }


def _odata(exchange: Exchange) -> dict[str, Any]:
    names = ("Systems", "Managers", "Chassis", "UpdateService", "SessionService")
    services = [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in names]
    return {"@odata.context": f"{ROOT}/$metadata", "value": services}


def _session_service(exchange: Exchange) -> dict[str, Any]:
    return {
        **link("SessionService"),
        "@odata.type": "#SessionService.v1_1_8.SessionService",
        "Id": "SessionService",
        "Name": "Sessions",
        "ServiceEnabled": True,
        "SessionTimeout": int(exchange.bmc.sessions.timeout),
        "Status": {"State": "Enabled", "Health": "OK"},
        "Sessions": link(*_SESSIONS),
    }


def _set_timeout(exchange: Exchange) -> Operation:
    """Return the operation that changes the session timeout; raise RedfishError unless it is 30 to 86400 seconds."""
    body = exchange.json()
    for name in body:
        if name != "SessionTimeout":
            raise unknown_property(name)
    seconds = body.get("SessionTimeout", exchange.bmc.sessions.timeout)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 30 <= seconds <= 86400:
        raise wrong_type("SessionTimeout", seconds, "integer from 30 to 86400")

    def run(_: Any) -> Answer:
        exchange.bmc.sessions.timeout = float(seconds)
        return Answer(204)

    return Operation("set_session_timeout", run, {"seconds": seconds})


def _sessions(exchange: Exchange) -> dict[str, Any]:
    return collection(_SESSIONS, "SessionCollection", "Sessions", [session.identifier for session in exchange.bmc.sessions.all()])


def _session(exchange: Exchange) -> dict[str, Any]:
    return _session_resource(_require_session(exchange))


def _require_session(exchange: Exchange) -> Session:
    session = exchange.bmc.sessions.find(exchange.names[0])
    if session is None:
        raise missing_resource(exchange.request.path)
    return session


def _session_resource(session: Session) -> dict[str, Any]:
    return {
        **link(*_SESSIONS, session.identifier),
        "@odata.type": "#Session.v1_6_0.Session",
        "Id": session.identifier,
        "Name": "Session",
        "UserName": session.username,
    }


def _log_in(exchange: Exchange) -> Operation:
    """Return the operation that opens a session for the credentials in the request body, and answers with its token."""
    body = exchange.json()
    for name in ("UserName", "Password"):
        if name not in body:
            text = f"The property {name} is required."
            raise RedfishError(400, "PropertyMissing", text, args=[name], related=[f"#/{name}"])
        if not isinstance(body[name], str):
            raise wrong_type(name, "" if name == "Password" else body[name], "string")
    username, password = body["UserName"], body["Password"]

    def run(_: Any) -> Answer:
        if not exchange.bmc.accepts(username, password):
            exchange.bmc.counters.count_login(accepted=False)
            raise no_session("The credentials are missing or wrong.")
        session = exchange.bmc.sessions.open(username)
        location = "/".join((ROOT, *_SESSIONS, session.identifier))
        return Answer(201, _session_resource(session), {"X-Auth-Token": session.token, "Location": location})

    return Operation("login", run, {"username": username})


def _log_out(exchange: Exchange) -> Operation:
    session = _require_session(exchange)

    def run(_: Any) -> Answer:
        exchange.bmc.sessions.close(session)
        return Answer(204)

    return Operation("logout", run, {"session": session.identifier})
