"""The page of a preview: valid, closed to the outside and to markup, whole without its script."""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from read_pages import PageParser
from tidemask.report.preview_page import about_token, counted_table, render_preview_page
from tidemask.report.previewed import PreviewPassage, PreviewStep, PreviewToken

EVIL = "</title></span><script>alert('&')</script><!--\" onclick=\"x"
STATES = ("mask", "random", "kept", "hidden", "visible")


def token(number: int, **fields: Any) -> PreviewToken:
    usual: dict[str, Any] = {
        "text": "other",
        "state": STATES[number % 5],
        "original": f"word{number}",
        "starts_word": True,
        "is_spaced": number > 0,
        "unit": number // 2,
        "class_name": ("NOUN", "DET", None)[number % 3],
        "weight": 0.5 + number % 4,
        "inclusion": 0.05 * (1 + number % 4),
        "due_to": number % 2 if number % 5 < 4 else None,
    }
    return PreviewToken(**{**usual, **fields})


def passage_of(tokens: list[PreviewToken], **fields: Any) -> PreviewPassage:
    usual: dict[str, Any] = {"sequence": 0, "ratio": 0.2, "part": "", "unit": "group of phrases"}
    usual["weightings"] = ("60 % uniform", f"40 % table of {EVIL}")
    return PreviewPassage(**{**usual, "tokens": tokens, **fields})


def step_of(progress: float, passages: list[PreviewPassage]) -> PreviewStep:
    return PreviewStep(
        progress=progress, ratio=0.15, realised_ratio=0.149, passages=passages, parts={},
        class_shares={"NOUN": (0.5, 0.3), "DET": (0.1, 0.2), "X": (0.0, 0.0)},
        length_ratios={"1": 0.15, "4+": 0.1}, step=round(progress * 100), num_steps=100,
        note="the last step before the border at 0.5" if progress == 0.49 else "",
    )  # fmt: skip


def example() -> str:
    """Three moments of two passages, one of them with markup, wide and turned letters."""
    strange = [EVIL, "狐狸", "שלום", "“quoted”"]
    passages = [
        passage_of([token(number) for number in range(20)]),
        passage_of(
            [token(n, original=one, text=EVIL) for n, one in enumerate(strange)], sequence=7
        ),
    ]
    steps = [step_of(progress, passages) for progress in (0.0, 0.49, 1.0)]
    facts = {"corpus": f"corpora/{EVIL}", "fingerprint": "0" * 64}
    return render_preview_page(steps, recipe=EVIL, summary=EVIL, facts=facts)


@pytest.fixture(scope="module")
def text() -> str:
    return example()


@pytest.fixture(scope="module")
def page(text: str) -> PageParser:
    return PageParser(text)


def test_preview_page_is_valid_by_the_algorithm_of_browsers(text: str, page: PageParser) -> None:
    html5lib = importlib.import_module("html5lib")  # it has no types
    html5lib.HTMLParser(strict=True).parse(text)
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert [one.tag for one in page.elements if re.fullmatch("h[1-6]", one.tag)] == [
        "h1", "h2", "h2", "h3", "h3", "h3"
    ]  # fmt: skip


def test_preview_page_runs_its_script_alone_and_takes_no_markup(page: PageParser) -> None:
    (script,) = page.named("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    policies = [one.attributes.get("content", "") for one in page.named("meta")]
    assert sum(f"script-src 'sha256-{digest}'" in policy for policy in policies) == 1
    assert any(policy.startswith("default-src 'none';") for policy in policies)
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on")]
        assert not {"src", "href"} & set(element.attributes)
    assert page.named("h1")[0].text == EVIL
    assert page.named("title")[0].text.endswith(EVIL)
    assert sum(one.text == EVIL for one in page.named("bdi")) == 3 * 2  # a word, and one put for it


def test_preview_page_says_in_words_what_its_colours_say(page: PageParser) -> None:
    words = [one for one in page.named("span") if "title" in one.attributes]
    assert len(words) == 3 * 24
    first = words[0].attributes
    assert first["class"] == "w mask"
    assert first["title"] == (
        "word0: masked, chance 5 %, weight 0.5, class NOUN, by weighting 1, 60 % uniform"
    )
    assert first["style"] == "border-bottom-color:var(--ink);--shade:10%"
    assert words[1].attributes["title"].startswith("word1: replaced by other, chance 10 %")
    shown = {one.attributes["class"].split()[-1] for one in words}
    in_legend = {
        one.attributes["class"].split()[-1]
        for one in page.named("span")
        if one.attributes.get("class", "").startswith("w ") and "title" not in one.attributes
    }
    assert shown == {*STATES}
    assert in_legend >= {*STATES} - {"visible"}
    assert "This is the last step before the border at 0.5." in page.elements[0].text + "".join(
        one.text for one in page.named("p")
    )
    assert {one.attributes.get("class") for one in page.named("span")} >= {"unit-box"}


def test_preview_page_keeps_the_spaces_of_its_text(text: str) -> None:
    """Without marks, numbers and what is put in the place of words, a passage is its text."""
    found = re.search(r'<p class="words" dir="auto">(.*?)</p>', text, flags=re.DOTALL)
    assert found is not None
    plain = re.sub(r"<sup>.*?</sup>|</s> <bdi>.*?</bdi>", "", found.group(1))
    assert re.sub("<.*?>", "", plain) == " ".join(f"word{number}" for number in range(20))


def test_preview_page_without_weights_has_no_shades() -> None:
    even = [token(n, weight=1.0, class_name=None, due_to=None) for n in range(5)]
    page = render_preview_page(
        [step_of(0.5, [passage_of(even, weightings=(), part="word, uniform")])],
        recipe="bert", summary="", facts={},
    )  # fmt: skip
    assert "--shade:" not in page.split("</style>")[1]
    alone = token(0, inclusion=None, class_name=None, due_to=None, weight=1.0)
    said = about_token(alone, passage_of([alone], weightings=(), part="word, uniform"))
    assert said == "word0: masked, by word, uniform"


def test_preview_page_counts_classes_that_occur() -> None:
    table = counted_table(step_of(0.0, []))
    assert table.shown_rows() == [["NOUN", "50.0", "30.0"], ["DET", "10.0", "20.0"]]


Page = Callable[..., Any]


@pytest.fixture
def opened_preview(browser: Any, text: str, tmp_path: Path) -> Iterator[Page]:
    (tmp_path / "preview.html").write_text(text, encoding="utf-8")
    contexts = []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.goto((tmp_path / "preview.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.slow
def test_preview_page_moves_through_moments_and_words(opened_preview: Page) -> None:
    page = opened_preview()
    moments = page.locator(".moment")
    assert [one.is_visible() for one in moments.all()] == [True, False, False]
    page.locator("#moment").focus()
    page.keyboard.press("ArrowRight")
    assert [one.is_visible() for one in moments.all()] == [False, True, False]
    assert page.locator(".moment-switch output").inner_text() == "2 of 3: progress 0.49, step 49"
    passage = page.locator("#moment-1 .passage").first
    passage.focus()
    page.keyboard.press("ArrowRight")
    box = passage.locator(".values")
    assert box.inner_text().startswith("word0: masked, chance 5 %")
    page.keyboard.press("End")
    assert box.inner_text().startswith("word19: not selected")
    page.keyboard.press("Escape")
    assert box.inner_text() == ""
    passage.locator(".w").nth(3).hover()
    assert box.inner_text().startswith("word3: hidden")
    page.emulate_media(media="print")
    assert all(one.is_visible() for one in moments.all())


@pytest.mark.slow
def test_preview_page_stands_without_its_script(opened_preview: Page) -> None:
    page = opened_preview(java_script_enabled=False)
    assert all(one.is_visible() for one in page.locator(".moment").all())
    assert not page.locator("#moment").is_visible()
    assert page.locator(".words .w").first.get_attribute("title") is not None


@pytest.mark.slow
@pytest.mark.parametrize(("width", "look"), [(1280, "light"), (400, "dark"), (400, "print")])
def test_preview_page_is_accessible_and_not_wider_than_the_screen(
    opened_preview: Page, width: int, look: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    )
    scheme = "dark" if look == "dark" else "light"
    said: list[str] = []
    page = opened_preview(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page.on("console", lambda message: said.append(message.text))
    if look == "print":
        page.emulate_media(media="print")
    else:  # paper has a width of its own
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert said == []
