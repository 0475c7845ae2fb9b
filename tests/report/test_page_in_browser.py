"""The page in a real browser, where Playwright, a Chromium and axe-core are installed."""

from __future__ import annotations

from typing import Any

import pytest

from browsed_pages import Opened, complaints
from tidemask.report.compare import Comparison

pytestmark = pytest.mark.slow


def test_page_asks_for_nothing_and_runs_without_complaint(browser: Any, report: Comparison) -> None:
    with complaints(browser, report) as (page, asked, said):
        for choice in ("held_out/word_loss_30", "held_out/loss"):
            page.locator(".switches select").first.select_option(choice)
        for panel in page.locator(".followed").all()[:6]:
            panel.hover()
        assert asked == [report.page.as_uri()]
        assert said == []


def test_page_runs_no_script_but_its_own(browser: Any, report: Comparison) -> None:
    with complaints(browser, report) as (page, _, said):
        page.evaluate(
            "() => { const one = document.createElement('script'); "
            "one.textContent = 'window.alien = 1'; document.body.append(one); }"
        )
        assert page.evaluate("window.alien") is None
        assert "Content Security Policy" in said[0]
        assert page.locator("b", has_text="alert").count() == 0


def test_page_shows_values_under_the_pointer_and_by_keys(opened: Opened) -> None:
    page = opened()
    forest = page.locator("#difference .followed")
    forest.focus()
    page.keyboard.press("ArrowRight")
    assert "seed 1" in forest.locator(".values").inner_text()
    page.keyboard.press("Escape")
    assert forest.locator(".values").inner_text() == ""
    curves = page.locator("#held_out_by_step .followed")
    curves.focus()
    page.keyboard.press("End")
    text = curves.locator(".values").inner_text()
    assert text.startswith("step 1,000")
    assert all(name in text for name in ("bert", "decay", "a</script><b>"))
    curves.hover(position={"x": 200, "y": 100})
    assert curves.locator(".values").inner_text().startswith("step ")


def test_page_sorts_and_copies_tables(opened: Opened) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    table = page.locator("#table-arms")
    names = table.locator("tbody th")
    before = names.all_inner_texts()
    table.locator("thead button").nth(1).click()
    assert names.all_inner_texts() == before  # it is sorted by the mean already
    table.locator("thead button").nth(1).click()
    assert names.all_inner_texts() == before[::-1]
    assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "descending"
    files = page.locator("[data-files-of=table-arms]")
    for name, sign in (
        ("CSV", "arm,"),
        ("LaTeX", "% \\usepackage{booktabs}"),
        ("Markdown", "| arm"),
    ):
        files.get_by_role("button", name=name).click()
        text = page.evaluate("navigator.clipboard.readText()")
        assert text.startswith(sign)
        assert files.locator("[role=status]").inner_text() == f"{name} copied"


def test_page_copies_what_the_files_hold(opened: Opened, report: Comparison) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    for table in ("arms", "trained_under", "downstream_scores"):
        files = page.locator(f"[data-files-of=table-{table}]")
        for name, ending in (("LaTeX", "tex"), ("Markdown", "md")):
            files.get_by_role("button", name=name).click()
            text = page.evaluate("navigator.clipboard.readText()")
            assert text == (report.directory / "tables" / f"{table}.{ending}").read_text()


def test_page_hides_arms_in_all_charts(opened: Opened) -> None:
    page = opened()
    entry = page.locator("#held_out_by_step .legend button", has_text="decay")
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false"
    curve = 'svg [data-part="curve"][data-arm="1"]'
    assert not any(one.is_visible() for one in page.locator(curve).all())
    assert not page.locator('#difference [data-part="point"][data-arm="1"]').first.is_visible()
    page.locator("#cost .legend button", has_text="decay").click()
    assert page.locator(f"#held_out_by_step {curve}").is_visible()


def test_page_stands_without_its_script(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("#held_out_by_step svg[role=img]").is_visible()
    assert page.locator("#table-arms").is_visible()
    assert page.locator("button").count() == 0
    assert not page.locator(".switches").is_visible()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("look", ["light", "dark", "print"])
def test_page_is_accessible_and_not_wider_than_the_screen(
    opened: Opened, width: int, look: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    )
    scheme = "dark" if look == "dark" else "light"
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    if look == "print":
        page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    if look != "print":  # paper has a width of its own
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
