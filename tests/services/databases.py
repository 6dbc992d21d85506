"""An empty database for a test: a file, or one of its own on the server that ``BAREMETAL_TEST_DATABASE`` names."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from fixtures import Fixture, TempDir
from sqlalchemy import create_engine, make_url

SERVER_URL = os.environ.get("BAREMETAL_TEST_DATABASE", "")


class EmptyDatabase(Fixture):
    """A database at :attr:`url` that goes with the test; on the server *server_url*, or else in a file."""

    def __init__(self, server_url: str = SERVER_URL) -> None:
        super().__init__()
        self._server_url = server_url

    def _setUp(self) -> None:
        if not self._server_url:
            self.url = f"sqlite:///{Path(self.useFixture(TempDir()).path) / 'nodes.db'}"
            return
        name = f"test_{uuid.uuid4().hex[:12]}"
        server = make_url(self._server_url)
        self._say(f"CREATE DATABASE {name}")
        forced = " WITH (FORCE)" if server.get_backend_name() == "postgresql" else ""
        self.addCleanup(self._say, f"DROP DATABASE {name}{forced}")
        self.url = server.set(database=name).render_as_string(hide_password=False)

    def _say(self, statement: str) -> None:
        engine = create_engine(self._server_url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()
