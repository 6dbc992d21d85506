"""Loading of configuration files, errors in them, and the sample file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk.config import SECTIONS, ConductorConfig, find_unknown_options, list_known_options, read_sections
from baremetal_sdk.config.sample import render_sample
from baremetal_sdk.config.setting import CHANGE_WHEN, HELP
from baremetal_sdk.errors import ConfigurationError


class FilesTestCase(TestCase):
    def write(self, name: str, text: str) -> Path:
        """Write a configuration file and return its path."""
        path = Path(self.useFixture(TempDir()).path) / name
        path.write_text(text, encoding="utf-8")
        return path


class TestLoading(FilesTestCase):
    def test_without_files_every_option_has_its_default(self) -> None:
        """Loading no file gives the declared defaults."""
        self.assertEqual(ConductorConfig(), ConductorConfig.load())

    def test_values_are_converted_to_their_types(self) -> None:
        """Numbers, booleans and lists in a file get the types of their fields."""
        file = self.write("a.conf", "[DEFAULT]\ndebug = true\n[api]\nport = 8080\ntrusted_proxies = 10.0.0.1,10.0.0.2\n")
        config = ConductorConfig.load(file)
        self.assertIs(True, config.debug)
        self.assertEqual(8080, config.api.port)
        self.assertEqual(("10.0.0.1", "10.0.0.2"), config.api.trusted_proxies)

    def test_later_files_and_overrides_win(self) -> None:
        """The last file that sets an option wins, and an override wins over all files."""
        first = self.write("a.conf", "[api]\nport = 1\nmax_limit = 1\n[conductor]\nworkers_pool_size = 30\n")
        second = self.write("b.conf", "[api]\nport = 2\nmax_limit = 2\n")
        config = ConductorConfig.load(first, second, overrides={"api": {"port": 3}})
        self.assertEqual(3, config.api.port)
        self.assertEqual(2, config.api.max_limit)
        self.assertEqual(30, config.conductor.workers_pool_size)

    def test_interfaces_are_read_for_each_kind(self) -> None:
        """``enabled_<kind>_interfaces`` and ``default_<kind>_interface`` are collected by kind."""
        file = self.write("a.conf", "[DEFAULT]\nenabled_power_interfaces = fake,redfish\ndefault_power_interface = fake\n")
        config = ConductorConfig.load(file)
        self.assertEqual({"power": ("fake", "redfish")}, config.enabled_interfaces)
        self.assertEqual({"power": "fake"}, config.default_interfaces)

    def test_plugin_sections_are_kept_as_text(self) -> None:
        """A section that the runtime does not declare is kept as text for plugins."""
        file = self.write("a.conf", "[acme]\nport = 17\n")
        self.assertEqual({"acme": {"port": "17"}}, ConductorConfig.load(file).plugins)


class TestWrongFiles(FilesTestCase):
    def test_a_wrong_value_names_file_section_and_option(self) -> None:
        """The error of a value with a wrong type or outside its bounds names file, section and option."""
        wrong = {"[api]\nport = many\n": "[api] port", "[conductor]\nworkers_pool_size = 2\n": "[conductor] workers_pool_size"}
        for text, option in wrong.items():
            file = self.write("a.conf", text)
            error = self.assertRaises(ConfigurationError, ConductorConfig.load, file)
            self.assertIn(str(file), str(error))
            self.assertIn(option, str(error))

    def test_an_invalid_choice_is_rejected(self) -> None:
        """The error of a value that is not a choice names the choices."""
        file = self.write("a.conf", "[DEFAULT]\nrpc_transport = carrier-pigeon\n")
        error = self.assertRaises(ConfigurationError, ConductorConfig.load, file)
        self.assertIn("json-rpc", str(error))

    def test_a_missing_or_malformed_file_is_rejected(self) -> None:
        """The error of a file that does not exist or cannot be parsed names the file."""
        malformed = self.write("a.conf", "[api\nport = 1\n")
        for file in (malformed, malformed.parent / "absent.conf"):
            error = self.assertRaises(ConfigurationError, ConductorConfig.load, file)
            self.assertIn(file.name, str(error))

    def test_unknown_options_are_listed(self) -> None:
        """Unknown options in the runtime's sections are listed. Options in sections of plugins are not."""
        file = self.write("a.conf", "[api]\nprot = 1\nport = 2\n[acme]\nprot = 1\n")
        self.assertEqual(["[api] prot"], find_unknown_options([file]))


class TestSample(FilesTestCase):
    def test_the_sample_changes_nothing(self) -> None:
        """The sample file loads as the default configuration."""
        self.assertEqual(ConductorConfig(), ConductorConfig.load(self.write("sample.conf", render_sample())))

    def test_the_sample_has_every_option(self) -> None:
        """The sample contains each declared option of each section, commented out."""
        options = (line.removeprefix("#") for line in render_sample().splitlines() if not line.startswith("# "))
        found = read_sections([self.write("sample.conf", "\n".join(options))])
        self.assertEqual({"DEFAULT", *SECTIONS}, set(found))
        for section, names in list_known_options().items():
            self.assertEqual(names, set(found[section]), section)

    def test_every_option_has_help_and_advice(self) -> None:
        """Each option has a help of whole sentences, and advice that completes "Change it when"."""
        for section, declaration in {"DEFAULT": ConductorConfig, **SECTIONS}.items():
            for field in dataclasses.fields(declaration):
                if HELP not in field.metadata:
                    continue
                option = f"[{section}] {field.name}"
                self.assertRegex(field.metadata[HELP], r"^[A-Z/].+(\.|virtual-host)$", option)
                self.assertRegex(field.metadata[CHANGE_WHEN], r"^(?!when )\w.+[^.]$", option)

    def test_the_sample_shows_the_advice_of_each_option(self) -> None:
        """The sample contains one sentence of advice for each option."""
        advice = sum(len(options) for options in list_known_options().values())
        self.assertEqual(advice, render_sample().count("Change it"))
