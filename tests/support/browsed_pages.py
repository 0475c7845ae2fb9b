"""Pages of comparisons in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tidemask.report.compare import Comparison

Opened = Callable[..., Any]
"""Of the fixture `opened`: gives the page in a new context with these options."""


@contextmanager
def complaints(browser: Any, report: Comparison) -> Iterator[tuple[Any, list[str], list[str]]]:
    """The page, what it asked for, and what the browser complained of."""
    context = browser.new_context()
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.page.as_uri())
    yield page, asked, said
    context.close()
