"""Sphinx: Markdown pages by MyST, the API from docstrings."""

from importlib.metadata import version as _version

project = "tapeloom"
author = "The tapeloom developers"
copyright = author
release = version = _version("tapeloom")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
html_theme = "furo"
html_title = "tapeloom"
