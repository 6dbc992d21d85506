"""Version negotiation and discovery."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.config import APIConfig, HealthcheckConfig
from baremetal_sdk.errors import ConfigurationError
from tests.fixtures.api import LATEST, APITestCase

VERSION_HEADER = "X-OpenStack-Ironic-API-Version"


class TestNegotiation(APITestCase):
    def test_default_is_the_lowest_version(self) -> None:
        """A request without a version gets 1.1."""
        self.assertEqual("1.1", self.request("GET", "/v1/nodes", version=None).headers[VERSION_HEADER])

    def test_every_response_has_the_range_of_versions(self) -> None:
        """Successful responses and errors have headers with the lowest and the highest version."""
        for path in ("/v1/nodes", "/v1/nodes/nope", "/nope", "/"):
            headers = self.request("GET", path).headers
            self.assertEqual("1.1", headers["X-OpenStack-Ironic-API-Minimum-Version"])
            self.assertEqual(LATEST, headers["X-OpenStack-Ironic-API-Maximum-Version"])
            self.assertEqual(LATEST, headers[VERSION_HEADER])

    def test_latest_is_the_highest_version(self) -> None:
        """The version latest is the highest version."""
        self.assertEqual(LATEST, self.request("GET", "/v1/nodes", version="latest").headers[VERSION_HEADER])

    def test_standard_header_takes_precedence(self) -> None:
        """OpenStack-API-Version takes precedence over Ironic's header if it names this service, alone or among others."""
        response = self.request("GET", "/v1/nodes", version="1.10", OpenStack_API_Version="compute 2.1, baremetal 1.50")
        self.assertEqual("1.50", response.headers[VERSION_HEADER])

    def test_standard_header_of_another_service_is_ignored(self) -> None:
        """OpenStack-API-Version without this service does not change the version."""
        response = self.request("GET", "/v1/nodes", version="1.10", OpenStack_API_Version="compute 2.1")
        self.assertEqual("1.10", response.headers[VERSION_HEADER])

    def test_invalid_version_is_not_acceptable(self) -> None:
        """The status is 406, with the range in the headers and Ironic's special body."""
        for version in ("1.116", "1.0", "2.1", "0.9", "one", "1.x", "1.-1", "1.+5", "1.1_0", "1", ""):
            response = self.request("GET", "/v1/nodes", version=version)
            self.assertEqual(406, response.status, version)
            self.assertEqual(LATEST, response.headers["X-OpenStack-Ironic-API-Maximum-Version"])
            self.assertEqual({"code", "title", "description"}, set(response.fault))
            self.assertNotIn(VERSION_HEADER, response.headers)


class TestDiscovery(APITestCase):
    def test_root_lists_one_version_with_its_range(self) -> None:
        """The root document has exactly one version, with its range of microversions."""
        document = self.get("/", version=None)
        self.assertEqual([document["default_version"]], document["versions"])
        version = document["default_version"]
        self.assertEqual(
            ("v1", "1.1", LATEST, "CURRENT"), tuple(version[key] for key in ("id", "min_version", "version", "status"))
        )

    def test_v1_lists_the_resources_of_the_requested_version(self) -> None:
        """A resource is listed from its first microversion on."""
        self.assertNotIn("conductors", self.get("/v1", version="1.48"))
        document = self.get("/v1/", version="1.49")
        self.assertEqual("http://localhost/v1/conductors/", document["conductors"][0]["href"])
        self.assertEqual("1.1", document["version"]["min_version"])

    def test_paths_without_a_version_are_those_of_version_1(self) -> None:
        """/nodes is /v1/nodes, and further slashes are ignored."""
        uuid = self.create_node(name="n1")
        for path in ("/nodes/n1", "/v1/nodes/n1/", f"/nodes/{uuid}", "//v1//nodes//n1"):
            self.assertEqual(uuid, self.get(path)["uuid"])

    def test_links_follow_the_host_header(self) -> None:
        """Links start with the host of the request."""
        self.create_node()
        response = self.request("GET", "/v1/nodes", Host="bare.example:8443")
        self.assertTrue(response.json["nodes"][0]["links"][0]["href"].startswith("http://bare.example:8443/v1/nodes/"))

    def test_service_that_is_not_ready_refuses_requests(self) -> None:
        """While the service starts or stops, only version documents and health checks are served."""
        self.conductor.ready = False
        response = self.request("GET", "/v1/nodes")
        self.assert_refused(response, 503, "starting or stopping")
        self.assertEqual("1", response.headers["Retry-After"])
        self.assertEqual(503, self.request("GET", "/readyz").status)
        self.assertEqual(200, self.request("GET", "/healthz").status)
        self.assertEqual(200, self.request("GET", "/v1").status)

    def test_ready_service_reports_ready(self) -> None:
        """The status of /readyz is 200 if the service serves requests."""
        self.assertEqual({"status": "ready"}, self.get("/readyz"))

    def test_healthcheck_path_must_be_enabled(self) -> None:
        """/healthcheck, which load balancers of Ironic use, exists only with [healthcheck] enabled."""
        self.assertEqual(404, self.request("GET", "/healthcheck").status)
        self.conductor.config = dataclasses.replace(self.conductor.config, healthcheck=HealthcheckConfig(enabled=True))
        response = self.request("GET", "/healthcheck")
        self.assertEqual(200, response.status)
        self.assertEqual(b"OK", response.raw)
        self.assertIn("text/plain", response.headers["Content-Type"])


class TestPublicEndpoint(APITestCase):
    api = APIConfig(public_endpoint="https://cloud.example/baremetal/")

    def test_an_invalid_public_endpoint_is_named(self) -> None:
        """An endpoint that no link can begin with is refused when the API is created."""
        for url in (
            "cloud.example",
            "ftp://cloud.example",
            "https://",
            "https://[::1",
            "https://u:tiger@cloud.example",
            "https://a?b",
        ):
            self.conductor.config = dataclasses.replace(self.conductor.config, api=APIConfig(public_endpoint=url))
            failure = self.assertRaises(ConfigurationError, bare_metal_api, self.conductor)
            self.assertIn("[api] public_endpoint", str(failure))
            self.assertNotIn("tiger", str(failure))

    def test_links_start_with_the_public_endpoint(self) -> None:
        """[api] public_endpoint takes precedence over the header Host."""
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, Host="10.0.0.1")
        self.assertEqual(f"https://cloud.example/baremetal/v1/nodes/{response.json['uuid']}", response.headers["Location"])
        self.assertEqual("https://cloud.example/baremetal/v1/", self.get("/")["default_version"]["links"][0]["href"])
