"""Numbers in the prose of a page that claim something, and where they stand.

A number claims something if it has a decimal point, or a unit of time, memory, speed, loss or
share. Code, comments, addresses, versions and what names a source are no prose. On pages that are
compared with records every number claims something, but those that a mark or a table compares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LEFT_OUT = tuple(
    re.compile(pattern, re.DOTALL | re.MULTILINE)
    for pattern in (
        r"^ *```.*?^ *```",
        r"(?<=\n\n)(?: {4}[^\n]*\n(?:\n(?= {4}))?)+",  # indented blocks
        r"`[^`]*`|<code>.*?</code>",
        r"<!--.*?-->",
        r"!\[[^\]]*\]\(\.\./figures/[\w-]+\.png\)",  # test_guide_of_what_to_mask.py compares these
        r"\]\([^)]*\)",
        r"\b\d{4}\.\d{5}\b",  # arXiv
        r"\b[Ss]ections?\s+[\d.]+\d(?:\s+and\s+[\d.]+\d)?",
        r"\b(?:Python|torch|minicons|version|SQuAD v?)\s*\d+(?:\.\d+)+(?:\s+to\s+\d+(?:\.\d+)+)?",
        r"\bApache-\d\.\d|\d\.\d+\s+GHz",
        r"\bE?ACL\s+20\d\d|\(20\d\d\)",
    )
)
_NUMBER = r"[+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?(?![\w,]*\d|\.\d)"
_THINGS = "words|tokens|rows|pairs|documents|sequences"
_UNIT = (
    r"(?P<unit>%|(?:per\s+cent|points?|times|nats?|bits?|bytes?|[kMGT]i?B|s|ms|µs|min|h"
    r"|(?:(?:CPU|GPU|processor)\s+)?(?:micro|milli)?(?:seconds?|minutes?|hours?|days?)"
    rf"|(?:{_THINGS})\s+an?\s+(?:\w+\s+)?(?:second|minute|hour|token|word))(?![\w-]))"
)
_COMPARED = re.compile(
    r"<!-- (?P<kind>table|machines) .*?<!-- end of (?P=kind) -->"
    r"|[^\s(|*]+[\s%)]*<!-- tidemask: [^>]*-->",
    re.DOTALL,
)
_FOUND = re.compile(
    rf"(?<![\w.,-])(?P<number>{_NUMBER})"
    rf"(?=(?:(?:(?:,|\s+to|\s+and|\s+or|–|\s+±)\s*{_NUMBER})*\s*{_UNIT})?)"
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number that claims something.

    Attributes:
        number: as it is written, with its sign.
        unit: as it is written, behind it or behind the list in which it stands; none is empty.
        start: its place in the page.
        line: of the page, from 1.
    """

    number: str
    unit: str
    start: int
    line: int


def prose(page: str) -> str:
    """The page with blanks in the place of what is not prose, so that all else keeps its place."""
    for pattern in _LEFT_OUT:
        page = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), page)
    return page


def not_compared(page: str) -> str:
    """The page with tildes in the place of marked numbers, and of tables between two comments.

    With blanks a line that begins with a number would look like code.
    """
    return _COMPARED.sub(lambda found: re.sub(r"[^\n]", "~", found[0]), page)


def numbers(page: str) -> list[Claim]:
    """All numbers in the prose of a page, in their order."""
    return [
        Claim(
            number=found["number"],
            unit=found["unit"] or "",
            start=found.start(),
            line=page.count("\n", 0, found.start()) + 1,
        )
        for found in _FOUND.finditer(prose(page))
    ]


def claims(page: str) -> list[Claim]:
    """The numbers of a page that claim something by themselves, in their order."""
    return [number for number in numbers(page) if number.unit or "." in number.number]
