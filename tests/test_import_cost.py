"""Parts of the runtime can be imported alone, without loading the rest of it or its large dependencies."""

from __future__ import annotations

import subprocess
import sys

from testtools import TestCase

MAX_POOL_MODULES = 90
"""Modules that the pool may load in addition to those of an empty interpreter."""

HEAVY_PACKAGES = {"webob", "sqlalchemy", "stevedore", "oslo_config"}


def find_loaded_modules(code: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after it ran *code*."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def select_heavy(modules: set[str]) -> set[str]:
    """Return the heavy packages that *modules* belong to."""
    return HEAVY_PACKAGES & {module.partition(".")[0] for module in modules}


class TestImportCost(TestCase):
    def test_the_pool_loads_few_modules(self) -> None:
        """The package and all names that it offers load few modules, and none of the large dependencies."""
        loaded = find_loaded_modules("import baremetal_sdk.concurrency.pool\nfrom baremetal_sdk.concurrency.pool import *")
        added = loaded - find_loaded_modules("pass")
        self.assertIn("baremetal_sdk.concurrency.pool.elastic", added)
        self.assertLessEqual(len(added), MAX_POOL_MODULES, sorted(added))
        self.assertEqual(set(), select_heavy(added))

    def test_bmc_access_loads_no_large_dependency(self) -> None:
        """The package and all names that it offers load neither the web framework nor the database toolkit."""
        loaded = find_loaded_modules("import baremetal_sdk.bmc\nfrom baremetal_sdk.bmc import *")
        self.assertIn("baremetal_sdk.bmc.access", loaded)
        self.assertEqual(set(), select_heavy(loaded))

    def test_the_http_server_loads_no_large_dependency(self) -> None:
        """The package and all names that it offers load neither the web framework nor the database toolkit."""
        loaded = find_loaded_modules("import baremetal_sdk.http\nfrom baremetal_sdk.http import *")
        self.assertIn("baremetal_sdk.http.server", loaded)
        self.assertEqual(set(), select_heavy(loaded))

    def test_authentication_loads_no_large_dependency(self) -> None:
        """The package and all names that it offers load no large dependency. Only Keystone's login needs oslo.config."""
        loaded = find_loaded_modules("import baremetal_sdk.auth\nfrom baremetal_sdk.auth import *")
        self.assertIn("baremetal_sdk.auth.strategy", loaded)
        self.assertEqual(set(), select_heavy(loaded))

    def test_the_rpc_client_loads_no_large_dependency(self) -> None:
        """The JSON-RPC transport and the client load neither the web framework, the database toolkit nor oslo.config."""
        loaded = find_loaded_modules("import baremetal_sdk.rpc.json_rpc_client, baremetal_sdk.rpc.remote")
        self.assertIn("baremetal_sdk.rpc.json_rpc_client", loaded)
        self.assertEqual(set(), select_heavy(loaded))
