"""The switches of the curves of held-out loss, in a real browser."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from browsed_pages import Opened, complaints
from synthetic_runs import SyntheticRun, write_comparison, write_run
from tidemask.report.compare import Comparison

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """An arm with everything, one whose second seed has no FLOPs, one without the first measure."""
    root = tmp_path_factory.mktemp("uneven")
    runs = []
    for number, (recipe, seed, lacking) in enumerate(
        [
            ("whole", 1, ""),
            ("uncounted", 1, ""),
            ("uncounted", 2, "flops"),
            ("earlier", 1, "held_out/loss"),
            ("earlier", 2, "held_out/loss"),
        ]
    ):
        run = write_run(root / f"{number}", SyntheticRun(recipe=recipe, seed=seed, gain=1 + number))
        metrics = run / "metrics.jsonl"
        records = [json.loads(line) for line in metrics.read_text().splitlines()]
        for record in records:
            record.pop(lacking, None)
        metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
        runs.append(run)
    return write_comparison(runs, out=root / "out")


def test_page_switches_measure_and_axis_to_the_numbers_of_the_files(
    opened: Opened, report: Comparison
) -> None:
    page = opened()
    measure, axis = page.locator(".switches select").all()
    measure.select_option("held_out/word_loss_30")
    axis.select_option("predicted_tokens")
    curves = page.locator("#held_out_by_step .followed")
    curves.focus()
    page.keyboard.press("Home")
    text = curves.locator(".values").inner_text()
    assert text.startswith("predicted tokens, thousands ")
    name, value = text.splitlines()[1].rsplit(" ", 1)
    with (report.directory / "tables" / "held_out.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["step"] == "100"]
    found = [float(row["held_out/word_loss_30"]) for row in rows if row["run"].startswith(name)]
    assert float(value) == pytest.approx(sum(found) / 2, rel=1e-4)
    assert "30 % in whole words" in (page.locator("#held_out_by_step svg[role=img]").text_content())


def drawn_arms(page: Any) -> dict[str, list[str]]:
    """What stands in the drawing of the curves, by part: names, and the places of the arms."""
    return page.evaluate(  # type: ignore[no-any-return]
        """() => {
          const svg = document.querySelector("#held_out_by_step svg[data-frame]");
          const those = (part, shown) =>
            [...svg.querySelectorAll(`[data-part="${part}"]`)].filter(shown)
              .map((one) => one.dataset.arm).sort();
          const drawn = (one) => one.querySelector("path").getAttribute("d") !== "";
          return {
            names: [...svg.querySelectorAll('[data-part="name"]')]
              .map((one) => one.textContent.trim()).filter(Boolean).sort(),
            curve: those("curve", drawn),
            marks: those("curve", (one) => one.querySelector("use")),
            leader: those("leader", drawn),
            band: those("band", (one) => one.childElementCount),
          };
        }"""
    )


def test_page_draws_the_arms_that_have_numbers_and_names_the_others(
    browser: Any, uneven: Comparison
) -> None:
    with complaints(browser, uneven) as (page, _, said):
        measure, axis = page.locator(".switches select").all()
        lacking = page.locator("#held_out_by_step .lacking")
        panel = page.locator("#held_out_by_step .followed")

        def found(arms: str, bands: str, names: list[str]) -> None:
            parts = {part: list(arms) for part in ("curve", "marks", "leader")}
            assert drawn_arms(page) == {"names": names, "band": list(bands), **parts}
            panel.focus()
            page.keyboard.press("End")
            values = panel.locator(".values").inner_text().splitlines()[1:]
            assert sorted(value.rsplit(" ", 1)[0] for value in values) == names

        without = "{} has no value of this measure against {}: it is not drawn."
        found("01", "1", ["uncounted", "whole"])
        assert lacking.inner_text() == without.format("earlier", "steps")
        axis.select_option("flops")
        found("0", "", ["whole"])
        for name in ("uncounted", "earlier"):
            assert without.format(name, "FLOPs") in lacking.inner_text()
        measure.select_option("held_out/loss_15")
        axis.select_option("step")
        found("012", "12", ["earlier", "uncounted", "whole"])
        assert lacking.inner_text() == ""
        axis.select_option("flops")
        measure.select_option("held_out/loss")
        axis.select_option("step")
        found("01", "1", ["uncounted", "whole"])
        assert said == []


def test_page_gives_an_arm_that_appears_the_looks_of_its_legend(
    browser: Any, uneven: Comparison
) -> None:
    with complaints(browser, uneven) as (page, _, _):
        page.locator(".switches select").first.select_option("held_out/loss_15")
        curve = page.locator('#held_out_by_step svg [data-part="curve"][data-arm="2"]')
        entry = page.locator('#held_out_by_step .legend li[data-arm="2"] svg')
        legend = entry.locator("line").evaluate("(one) => getComputedStyle(one).stroke")
        look = curve.locator("path").first.evaluate(
            "(one) => [getComputedStyle(one).stroke, getComputedStyle(one).strokeDasharray]"
        )
        assert look == [legend, "1.92px, 2.24px"]  # 1.2 and 1.4 widths of 1.6
        assert curve.locator("use").count() == 10
        width = curve.locator("use").first.evaluate("(one) => one.getBBox().width")
        assert 3 < width < 5
        page.locator("#held_out_by_step .legend button", has_text="earlier").click()
        assert not curve.is_visible()


def test_page_says_the_chosen_measure_and_axis_to_a_screen_reader(
    opened: Opened,
) -> None:
    page = opened()
    panel = page.locator("#held_out_by_step .followed")
    svg = panel.locator("svg[role=img]")
    assert "Mean over the six maskings against steps:" in panel.get_attribute("aria-label")
    page.locator(".switches select").first.select_option("held_out/word_loss_30")
    page.locator(".switches select").last.select_option("flops")
    title = "30 % in whole words masked"
    assert panel.get_attribute("aria-label") == f"{title} against FLOPs: values by the arrow keys"
    assert svg.get_attribute("aria-label").startswith(f"{title}: at the end")
    assert svg.get_attribute("aria-label").endswith("Drawn against FLOPs.")


def test_page_has_the_first_choices_after_a_reload(opened: Opened) -> None:
    page = opened()
    choices = page.locator(".switches select")
    assert [one.get_attribute("autocomplete") for one in choices.all()] == ["off", "off"]
    choices.first.select_option("held_out/word_loss_30")
    page.reload()
    assert choices.first.input_value() == "held_out/loss"
