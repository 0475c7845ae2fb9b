"""A browser, and a page of three arms in it, where Playwright and a Chromium are installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsed_pages import Opened
from synthetic_results import SyntheticResults, write_results
from synthetic_runs import SyntheticRun, write_comparison, write_run
from tidemask.report.compare import Comparison


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two arms with two seeds each, measured downstream, and a third whose name is markup."""
    root = tmp_path_factory.mktemp("report")
    made = SyntheticResults(tasks=("sst2", "cola"), checkpoints=("checkpoint-500", "final"))
    runs = []
    for recipe, gain in (("bert", 1.0), ("decay", 1.2), ("a</script><b>", 0.9)):
        for seed in (1, 2):
            run = SyntheticRun(recipe=recipe, seed=seed, gain=gain)
            runs.append(write_results(write_run(root / f"{len(runs)}", run), made))
    return write_comparison(runs, out=root / "out")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as started:
        known = Path(started.chromium.executable_path)
        path = known if known.is_file() else shutil.which("chromium")
        if path is None:
            pytest.skip("no Chromium is installed")
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, report: Comparison) -> Iterator[Opened]:
    contexts = []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)  # a wait ends with what it waits for
        contexts.append(context)
        page = context.new_page()
        page.goto(report.page.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
