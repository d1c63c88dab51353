"""Sphinx: Markdown pages by MyST, the API from docstrings."""

import re
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
autodoc_typehints_description_target = "documented"
html_theme = "furo"
html_title = "tapeloom"
html_static_path = ["static"]
html_css_files = ["tables.css"]
default_role = "code"  # docstrings write `name`, as in Markdown


def _escape(app, what, name, obj, options, lines):
    """Keep reStructuredText from reading marks into shapes such as (N, *) and formulas such as |x - y|."""
    example = False
    for number, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            bullet, text = re.match(r"(\s*(?:\* )?)(.*)", line).groups()
            parts = re.split(r"(``.*?``|`.*?`)", text)
            parts[::2] = [re.sub(r"(?<!\*)\*(?!\*)|\|", r"\\\g<0>", part) for part in parts[::2]]
            parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]  # `Parameter`s
            lines[number] = bullet + "".join(parts)


def setup(app):
    app.connect("autodoc-process-docstring", _escape, priority=400)  # before napoleon
