"""The keys of sealed credentials at the start of a conductor, an API and a reload."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet
from fixtures import EnvironmentVariable, TempDir
from testtools import TestCase

from baremetal_sdk import Conductor, ConductorConfig, RemoteBackend
from baremetal_sdk.config import DatabaseConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import MemoryStore, Store
from baremetal_sdk.testing import running_conductor

INFO = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2"}


class KeyCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.key = Path(self.useFixture(TempDir()).path) / "secret.key"
        self.store: Store = MemoryStore()
        with self.conductor() as conductor:
            values = {"driver": "redfish", "name": "m1", "driver_info": INFO}
            self.node = conductor.rpc.call("create_node", values=values).uuid
        self.right_key = self.key.read_bytes()

    def config(self, *, accept_lost_keys: bool = False, variable: str | None = None) -> ConductorConfig:
        """Return a configuration with the key file, or with the environment *variable* instead."""
        file = None if variable else str(self.key)
        database = DatabaseConfig(secret_key_file=file, secret_key_env=variable, accept_lost_keys=accept_lost_keys)
        return ConductorConfig(host="test", database=database, rpc_transport="json-rpc")

    def conductor(self, config: ConductorConfig | None = None) -> Conductor:
        """Return a conductor that has not started."""
        return Conductor(config or self.config(), store=self.store)

    def assert_refused(self, pattern: str, config: ConductorConfig | None = None) -> None:
        """Neither a conductor nor an API starts, and the text of the error matches *pattern*. No other key is written."""
        before = self.key.read_bytes() if self.key.exists() else None
        with self.assertRaisesRegex(ConfigurationError, pattern):
            self.conductor(config).start()
        with self.assertRaisesRegex(ConfigurationError, pattern):
            RemoteBackend(config or self.config(), store=self.store).start()
        self.assertEqual(before, self.key.read_bytes() if self.key.exists() else None)
        self.assertEqual([], list(self.store.conductors()))


class StartTest(KeyCase):
    def test_missing_key_is_not_replaced(self) -> None:
        """A new key could not open the stored credentials."""
        self.key.unlink()
        self.assert_refused("cannot be used: No such file.*secrets of 1 node.*restore the key")

    def test_unusable_keys_are_named_with_the_affected_nodes(self) -> None:
        """A file without a valid key does not count as a missing file."""
        for wrong in (b"", b"\n", b"nonsense"):
            self.key.write_bytes(wrong)
            self.assert_refused("secret.key cannot be used: it contains no valid Fernet keys.*secrets of 1 node.*restore")

    def test_wrong_key_is_refused(self) -> None:
        """Another valid key does not open the credentials."""
        self.key.write_bytes(Fernet.generate_key())
        self.assert_refused("secret.key does not open the secrets of 1 node .m1.: the key that sealed them is missing")

    def test_missing_variable_is_refused(self) -> None:
        """The same holds for keys in the environment."""
        self.assert_refused("NO_SUCH_KEY cannot be used: the variable is not set", self.config(variable="NO_SUCH_KEY"))
        self.useFixture(EnvironmentVariable("OTHER_KEY", Fernet.generate_key().decode()))
        self.assert_refused("OTHER_KEY does not open the secrets of 1 node", self.config(variable="OTHER_KEY"))

    def test_key_ring_has_to_open_all_credentials(self) -> None:
        """A ring that opens some nodes is refused with the number of the others. The complete ring starts."""
        second = Fernet.generate_key()
        self.key.write_bytes(second)
        with self.conductor(self.config(accept_lost_keys=True)) as conductor:
            conductor.rpc.call("create_node", values={"driver": "redfish", "name": "m2", "driver_info": INFO})
        self.assert_refused("secrets of 1 node .m1.: ")
        self.key.write_bytes(second + b"\n" + self.right_key)
        with self.conductor() as conductor:
            self.assertEqual(2, len(conductor.nodes()))

    def test_store_without_credentials_needs_no_old_key(self) -> None:
        """The first start, and one with nodes without credentials, create the key."""
        self.store.delete_node(self.node, fence=None)
        self.key.unlink()
        with self.conductor():
            self.assertTrue(self.key.exists())

    def test_lost_key_can_be_accepted(self) -> None:
        """With ``accept_lost_keys`` the conductor starts, and a client can set the credentials again."""
        self.key.unlink()
        with running_conductor(self.config(accept_lost_keys=True), store=self.store) as conductor:
            conductor.rpc.call("update_node", node=self.node, changes={"driver_info": INFO})
        with self.conductor():
            pass


class ReloadTest(KeyCase):
    def test_reload_with_a_wrong_key_keeps_the_present_keys(self) -> None:
        """A reload never makes readable credentials unreadable."""
        with self.conductor() as conductor:
            self.key.write_bytes(Fernet.generate_key())
            conductor.reload(self.config())
            self.assertEqual("hunter2", conductor.components.tasks.read_only(self.node).raw_info["redfish_password"])
            os.unlink(self.key)
            conductor.reload(self.config())
            self.assertEqual("hunter2", conductor.components.tasks.read_only(self.node).raw_info["redfish_password"])
