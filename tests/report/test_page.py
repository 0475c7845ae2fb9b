"""The page as HTML: valid, closed to the outside, and closed to markup in names of a user."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from read_pages import PageParser
from synthetic_runs import MakeRun, write_comparison
from tidemask.report.compare import Comparison

ONLY_WORDS = {"p", "h1", "h2", "h3", "summary", "dt", "button", "label", "a", "span"}
BLOCKS = {"p", "div", "ul", "ol", "table", "figure", "section", "details", "h1", "h2", "h3", "dl"}
EVIL = "a</script><script>alert('&')</script><!--"


def parsed(comparison: Comparison) -> PageParser:
    return PageParser(comparison.page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> PageParser:
    return parsed(comparison)


def test_page_has_every_id_once_and_refers_to_what_is_there(
    page: PageParser, comparison: Comparison
) -> None:
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[^\s]+", name) for name in ids)
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "for", "data-files-of"):
            assert element.attributes.get(name, ids[0]) in ids
    for link in page.named("a"):
        target = link.attributes["href"]
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert (comparison.directory / target).is_file(), target


def test_page_nests_as_html_allows(page: PageParser) -> None:
    for element in page.elements:
        if element.tag in BLOCKS:
            assert not ONLY_WORDS & set(element.inside), (element.tag, element.inside)
        if element.tag in {"li", "caption", "dt", "figcaption"}:
            parents = {"li": ("ul", "ol"), "caption": ("table",), "dt": ("div",)}
            assert element.inside[-1] in parents.get(element.tag, ("figure",))
    headings = [int(one.tag[1]) for one in page.elements if one.tag in {"h1", "h2", "h3"}]
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_page_ends_figures_with_their_captions(comparison: Comparison) -> None:
    tree = ElementTree.fromstring(comparison.page.read_text(encoding="utf-8"))
    figures = list(tree.iter("figure"))
    assert figures
    assert [figure[-1].tag for figure in figures] == ["figcaption"] * len(figures)


def test_page_is_valid_by_the_algorithm_of_browsers(comparison: Comparison) -> None:
    html5lib = importlib.import_module("html5lib")  # it has no types
    html5lib.HTMLParser(strict=True).parse(comparison.page.read_text(encoding="utf-8"))


def test_page_lets_a_browser_run_its_script_alone(page: PageParser) -> None:
    (policy,) = (
        one.attributes["content"]
        for one in page.named("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (script,) = (one.text for one in page.named("script") if not one.attributes)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on")]


def test_page_names_every_table_and_chart(page: PageParser) -> None:
    for table in page.named("table"):
        assert "data-table" in table.attributes
    captions = [one.text.strip() for one in page.named("caption")]
    assert len(captions) == len(page.named("table"))
    assert all(captions)
    drawings = [one for one in page.named("svg") if one.attributes.get("role") == "img"]
    words = [one.attributes["aria-label"] for one in drawings]
    assert len(words) > 20
    for one in drawings:
        assert re.search(r"\d", one.attributes["aria-label"]), one.attributes["aria-label"]
    assert any("ptw-mrd: the scheduled masking ratio goes from 0.3" in one for one in words)
    assert any(one.startswith("Predicted tokens at the end, the lowest first") for one in words)


def test_page_hides_what_needs_its_script(page: PageParser) -> None:
    (switches,) = (one for one in page.elements if one.attributes.get("class") == "switches")
    assert "hidden" in switches.attributes
    assert page.named("button") == []
    assert len(page.named("select")) == 2


@pytest.mark.slow
def test_page_takes_no_markup_from_names(make_run: MakeRun, tmp_path: Path) -> None:
    evil, plain = make_run("evil"), make_run("plain", recipe="mrd", gain=2.0)
    config = yaml.safe_load((evil / "run.yaml").read_text())
    config["recipe"] = EVIL
    (evil / "run.yaml").write_text(yaml.safe_dump(config))
    page = parsed(write_comparison([evil, plain], out=tmp_path / "out"))
    scripts = page.named("script")
    assert [one.attributes for one in scripts] == [
        {"type": "application/json", "class": "curves"},
        {"type": "application/json", "id": "rules"},
        {},
    ]
    choices = json.loads(scripts[0].text)
    assert all(EVIL in one["alternative"] for one in choices["measures"].values())
    assert any(EVIL in one.text for one in page.named("li"))
    assert any(EVIL in one.attributes.get("aria-label", "") for one in page.named("svg"))
    assert any(EVIL in one.text for one in page.elements if one.inside[-1:] == ("g",))
