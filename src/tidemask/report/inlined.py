"""What stands inside pages: template, style, script, and the policy that lets nothing else run.

The script is small and our own. It draws nothing that a reader without it would miss: it shows the
values of what is drawn, lets arms be hidden, sorts and copies tables, and changes the measure and
the axis of the curves. Libraries that could do so were looked at and left out. Minified, Vega 6.4.0
with Vega-Lite 6.4.3 has 772 kB, Plotly 4.1.1 in its basic bundle 1,192 kB, more than the rest of a
page of six runs; the script has 20 kB. Both draw in the browser, so that there is no chart for
who reads or prints the page without a script, and the text for who cannot see it would be ours all
the same; Vega compiles expressions to code, which a strict policy forbids, unless its interpreter
is added; neither sorts or copies tables.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tidemask.report.figures.palette import style_sheet
from tidemask.report.tables.table_files import LATEX
from tidemask.report.tables.typed_table import FORMULA_BEGINS, MISSING, NUMBER

SCRIPTS = ("elements", "arms", "values", "curves", "tables")
"""The parts of the script of a comparison, in the order in which they run."""


def page_template(name: str) -> Template:
    """A template of this package; what is put into it is escaped, and nothing may be missing."""
    environment = Environment(
        loader=PackageLoader("tidemask", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def page_style(*sheets: str) -> Markup:
    """Colours and rules; our own text, nothing from the runs.

    Args:
        sheets: files of rules; none for those that all pages have.
    """
    return Markup(style_sheet() + "".join(map(_read, sheets or ("page.css",))))


def page_script(*parts: str) -> Markup:
    """A script; our own text, nothing from the runs.

    The marks around it let a parser of XML read the page, too.

    Args:
        parts: of which it is made; none for `SCRIPTS`, those of a comparison.
    """
    joined = "\n".join(_read(f"script/{name}.js") for name in parts or SCRIPTS)
    return Markup(f'//<![CDATA[\n(() => {{\n"use strict";\n{joined}}})();\n//]]>\n')


def content_security_policy(script: str = "") -> str:
    """A policy under which a browser runs this script alone, and asks no other place for anything.

    Styles may stand on elements: those of the drawings do.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    source = f"'sha256-{digest}'" if script else "'none'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {source}; "
        "base-uri 'none'; form-action 'none'"
    )


def copying_rules() -> dict[str, object]:
    """What copied tables have in common with the files: signs of LaTeX, text that is no formula."""
    return {
        "missing": MISSING,
        "latex": LATEX,
        "formula": "".join(FORMULA_BEGINS),
        "number": NUMBER.pattern,
    }


def _read(name: str) -> str:
    return resources.files("tidemask.report").joinpath(name).read_text(encoding="utf-8")
