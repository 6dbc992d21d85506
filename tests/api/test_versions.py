"""Version negotiation and discovery."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config import APIConfig, HealthcheckConfig
from tests.fixtures.api import LATEST, APITestCase

VERSION = "X-OpenStack-Ironic-API-Version"


class TestNegotiation(APITestCase):
    def test_without_a_header_the_lowest_version_is_spoken(self) -> None:
        """A request that names no version gets 1.1."""
        self.assertEqual("1.1", self.request("GET", "/v1/nodes", version=None).headers[VERSION])

    def test_every_answer_names_the_range_of_versions(self) -> None:
        """Successes and errors alike carry the lowest and the highest version."""
        for path in ("/v1/nodes", "/v1/nodes/nope", "/nope", "/"):
            headers = self.request("GET", path).headers
            self.assertEqual("1.1", headers["X-OpenStack-Ironic-API-Minimum-Version"])
            self.assertEqual(LATEST, headers["X-OpenStack-Ironic-API-Maximum-Version"])
            self.assertEqual(LATEST, headers[VERSION])

    def test_latest_is_the_highest_version(self) -> None:
        """The word latest stands for the highest version."""
        self.assertEqual(LATEST, self.request("GET", "/v1/nodes", version="latest").headers[VERSION])

    def test_the_standard_header_comes_before_the_older_one(self) -> None:
        """OpenStack-API-Version is heeded where it names this service, among others."""
        answer = self.request("GET", "/v1/nodes", version="1.10", OpenStack_API_Version="compute 2.1, baremetal 1.50")
        self.assertEqual("1.50", answer.headers[VERSION])

    def test_the_standard_header_of_another_service_says_nothing(self) -> None:
        """A version of another service is not ours."""
        answer = self.request("GET", "/v1/nodes", version="1.10", OpenStack_API_Version="compute 2.1")
        self.assertEqual("1.10", answer.headers[VERSION])

    def test_a_version_out_of_range_is_not_acceptable(self) -> None:
        """Clients learn the range from the headers of a 406, whose body has a shape of its own."""
        for version in ("1.116", "1.0", "2.1", "0.9", "one", "1.x", "1.-1", "1.+5", "1.1_0", "1", ""):
            answer = self.request("GET", "/v1/nodes", version=version)
            self.assertEqual(406, answer.status, version)
            self.assertEqual(LATEST, answer.headers["X-OpenStack-Ironic-API-Maximum-Version"])
            self.assertEqual({"code", "title", "description"}, set(answer.fault))
            self.assertNotIn(VERSION, answer.headers)


class TestDiscovery(APITestCase):
    def test_the_root_names_exactly_one_version_with_its_range(self) -> None:
        """Clients want one version document with microversions."""
        document = self.get("/", version=None)
        self.assertEqual([document["default_version"]], document["versions"])
        version = document["default_version"]
        self.assertEqual(
            ("v1", "1.1", LATEST, "CURRENT"), tuple(version[key] for key in ("id", "min_version", "version", "status"))
        )

    def test_v1_lists_the_resources_of_the_requested_version(self) -> None:
        """A resource is listed from the version on that brought it."""
        self.assertNotIn("conductors", self.get("/v1", version="1.48"))
        document = self.get("/v1/", version="1.49")
        self.assertEqual("http://localhost/v1/conductors/", document["conductors"][0]["href"])
        self.assertEqual("1.1", document["version"]["min_version"])

    def test_paths_without_a_version_are_those_of_version_1(self) -> None:
        """/nodes is /v1/nodes, and a slash at the end means nothing."""
        uuid = self.node(name="n1")
        for path in ("/nodes/n1", "/v1/nodes/n1/", f"/nodes/{uuid}", "//v1//nodes//n1"):
            self.assertEqual(uuid, self.get(path)["uuid"])

    def test_links_follow_the_host_header(self) -> None:
        """A client behind another name gets links with that name."""
        self.node()
        answer = self.request("GET", "/v1/nodes", Host="bare.example:8443")
        self.assertTrue(answer.json["nodes"][0]["links"][0]["href"].startswith("http://bare.example:8443/v1/nodes/"))

    def test_a_service_that_is_not_ready_says_so(self) -> None:
        """While it starts or stops, only discovery and health are answered."""
        self.conductor.ready = False
        answer = self.request("GET", "/v1/nodes")
        self.assert_refused(answer, 503, "starting or stopping")
        self.assertEqual("1", answer.headers["Retry-After"])
        self.assertEqual(503, self.request("GET", "/readyz").status)
        self.assertEqual(200, self.request("GET", "/healthz").status)
        self.assertEqual(200, self.request("GET", "/v1").status)

    def test_a_ready_service_says_so(self) -> None:
        """readyz is 200 when requests can be served."""
        self.assertEqual({"status": "ready"}, self.get("/readyz"))

    def test_the_health_check_of_ironic_is_served_where_it_is_enabled(self) -> None:
        """As its load balancers ask for it; otherwise there is nothing."""
        self.assertEqual(404, self.request("GET", "/healthcheck").status)
        self.conductor.config = dataclasses.replace(self.conductor.config, healthcheck=HealthcheckConfig(enabled=True))
        answer = self.request("GET", "/healthcheck")
        self.assertEqual((200, b"OK"), (answer.status, answer.raw))
        self.assertIn("text/plain", answer.headers["Content-Type"])


class TestPublicEndpoint(APITestCase):
    api = APIConfig(public_endpoint="https://cloud.example/baremetal/")

    def test_links_start_with_the_public_endpoint(self) -> None:
        """Where it is configured, the public endpoint comes before the Host header."""
        answer = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, Host="10.0.0.1")
        self.assertEqual(f"https://cloud.example/baremetal/v1/nodes/{answer.json['uuid']}", answer.headers["Location"])
        self.assertEqual("https://cloud.example/baremetal/v1/", self.get("/")["default_version"]["links"][0]["href"])
