"""How Sphinx builds the site: `sphinx-build -W docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pages

import ccsim

project = "ccsim"
author = "the authors of ccsim"
version = release = ccsim.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["html_image"]  # pictures with a width, as GitHub shows them, too
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"ccsim {version}"
exclude_patterns = ["_build"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
suppress_warnings = ["misc.highlighting_failure"]  # shells and tables in code blocks

pages.write(Path(__file__).parent / "generated")
