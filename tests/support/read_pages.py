"""Pages as lists of their elements, read by Python's own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class ReadElement:
    """One element in the order of the page; `text` is what stands directly in it."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    text: str = field(default="")


class PageParser(HTMLParser):
    """Collects every element; an end tag that closes nothing open is an error."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[ReadElement] = []
        self._open: list[ReadElement] = []
        self.feed(page)
        self.close()
        assert self._open == [], [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = self._add(tag, attrs)
        self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"nothing is open at </{tag}>"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def named(self, tag: str) -> list[ReadElement]:
        """The elements with this tag."""
        return [element for element in self.elements if element.tag == tag]

    def _add(self, tag: str, attrs: list[tuple[str, str | None]]) -> ReadElement:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        inside = tuple(element.tag for element in self._open)
        found = {name: value or "" for name, value in attrs}
        element = ReadElement(tag=tag, attributes=found, inside=inside)
        self.elements.append(element)
        return element
