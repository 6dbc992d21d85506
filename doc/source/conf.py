"""Configuration of the documentation build."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
# The bridge to Ironic is not installed here, because it needs Ironic. Its table does not.
sys.path[:0] = [str(_HERE / "_ext"), str(_ROOT / "plugins" / "ironic")]

project = "baremetal-sdk"
copyright = "the baremetal-sdk developers"
version = release = "0.1.0"

extensions = [
    "myst_parser",
    "openstackdocstheme",
    "reno.sphinxext",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "runtime_tables",
]
intersphinx_mapping: dict[str, tuple[str, None]] = {}
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["examples/**"]
root_doc = "index"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "openstackdocs"
html_show_sourcelink = False
openstackdocs_auto_name = False
openstackdocs_use_storyboard = False
openstackdocs_repo_name = ""
html_theme_options = {"display_global_toc_section": True, "sidebar_mode": "toctree"}
suppress_warnings = ["myst.header"]
