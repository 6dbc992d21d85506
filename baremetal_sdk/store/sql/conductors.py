"""Conductors of the SQL store: their drivers and heartbeats."""

from __future__ import annotations

from collections.abc import Sequence

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.records.fields import CONDUCTOR_FIELDS
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.store.refusals import conductor_not_found_error
from baremetal_sdk.store.sealed_columns import SealedColumns
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.rows import RowReader
from baremetal_sdk.store.sql.statements import Statements, new_value_parameters

# The records of conductors contain no secrets.
_CONDUCTORS = RowReader(CONDUCTOR_FIELDS, CONDUCTOR_FIELDS.names, SealedColumns())


class SQLConductors:
    """Base class of the SQL store: the methods of the ``Store`` protocol for conductors."""

    _database: Database
    _clock: Clock
    _statements: Statements

    @retry_on_conflict
    def register_conductor(self, conductor: ConductorRecord) -> ConductorRecord:
        """Store a conductor and its drivers, with the present time as its heartbeat, and return it."""
        stored = CONDUCTOR_FIELDS.encode_record(conductor)
        ident = {"ident": conductor.hostname}
        with self._database.writing() as connection:
            now = self._clock.now()
            stored.update(heartbeat_at=now, updated_at=now, created_at=now)
            columns = {name: value for name, value in stored.items() if name not in ("hostname", "created_at")}
            statement = self._statements.update_conductor(tuple(columns), same_incarnation=False)
            # Update first: a conductor that starts again under its host name is the common case.
            if connection.execute(statement, ident | new_value_parameters(columns)).rowcount == 0:
                connection.execute(self._statements.insert_conductor, stored)
            row = connection.execute(self._statements.conductor, ident).one()
        return _CONDUCTORS.read_record(row)

    @retry_on_conflict
    def heartbeat(self, hostname: str, incarnation: str) -> None:
        """Store the present time as the conductor's heartbeat. Raises ``ConductorNotFound``."""
        statement = self._statements.update_conductor(("heartbeat_at",), same_incarnation=True)
        with self._database.writing() as connection:
            parameters = {"ident": hostname, "running_incarnation": incarnation}
            parameters |= new_value_parameters({"heartbeat_at": self._clock.now()})
            if connection.execute(statement, parameters).rowcount == 0:
                raise conductor_not_found_error(hostname, incarnation)

    @retry_on_conflict
    def conductors(self) -> Sequence[ConductorRecord]:
        """Return all conductors, ordered by host name."""
        with self._database.reading() as connection:
            rows = connection.execute(self._statements.conductors).all()
        return [_CONDUCTORS.read_record(row) for row in rows]

    @retry_on_conflict
    def unregister_conductor(self, hostname: str, incarnation: str) -> None:
        """Delete a conductor that stops. Do nothing if another incarnation has registered under its host name."""
        with self._database.writing() as connection:
            connection.execute(self._statements.delete_conductor, {"ident": hostname, "running_incarnation": incarnation})
