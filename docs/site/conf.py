"""The documentation as a site: Sphinx reads the Markdown of the whole repository.

`make docs` builds it. Pages that say what the program knows already have a comment in their place,
`<!-- commands -->` for one, which is filled when the page is read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from docutils import nodes

from command_reference import command_reference
from python_reference import python_reference
from recipe_reference import recipe_reference
from setting_reference import setting_reference
from tidemask import __version__

project = "tidemask"
copyright = "The tidemask developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "examples/**.md",
    "studies/README.md",
    "tests/README.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [".*", "src", "benchmarks", "build", "runs"]
html_extra_path = ["index.html"]

myst_heading_anchors = 4
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other libraries and of our own, in signatures
default_role = "code"
smartquotes = False  # quotation marks in docstrings are those of Python
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"tidemask {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

FILLED: dict[str, Callable[[], str]] = {
    "<!-- commands -->": command_reference,
    "<!-- settings -->": setting_reference,
    "<!-- recipes -->": recipe_reference,
    "<!-- python -->": python_reference,
}
"""What the comments of pages stand for."""


NOT_FILLED = re.compile(r"^In a clone or on GitHub .*?\n\n", re.MULTILINE | re.DOTALL)
"""The paragraph of such a page that says where to look while it is not filled."""


def _fill(app: Any, name: str, source: list[str]) -> None:
    for comment, reference in FILLED.items():
        if comment in source[0]:
            page = NOT_FILLED.sub("", source[0], count=1)
            source[0] = page.replace(comment, reference())


def _bind_percent_signs(app: Any, page: nodes.document) -> None:
    """Keep a line from breaking between a number and its per cent sign."""
    for text in list(page.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal | nodes.FixedTextElement):
            bound = re.sub(r"(?<=\d) (?=%)", "\u00a0", text)
            text.parent.replace(text, nodes.Text(bound))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("doctree-read", _bind_percent_signs)
