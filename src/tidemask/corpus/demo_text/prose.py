"""English prose out of docstrings: whole paragraphs, without their markup.

A docstring is prose between code, signatures, tables and lists of parameters. What is left here
is what a reader would read aloud; in doubt a paragraph is dropped. `python_sources` finds the
docstrings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MIN_WORDS = 8
"""Minimum words of a paragraph; shorter ones are mostly headings and labels."""

MAX_WORDS = 400
"""Maximum words of a paragraph; longer ones are mostly lists that lost their form."""

MIN_FUNCTION_WORD_SHARE = 0.30
"""Minimum share of English function words among a paragraph's words."""

MAX_ODD_WORD_SHARE = 0.08
"""Maximum share of words that are not plain words: identifiers, numbers, formulas."""

_MAX_TERM_WORDS = 4
"""Maximum words of the term in a definition, such as the type of what is returned."""

_FIELDS_SECTION = re.compile(
    r"(?:(?:Keyword |Other )?(?:Args|Arguments|Parameters|Params)|Attributes|Kwargs|Returns?"
    r"|Yields?|Raises|Warns|Inputs?|Outputs?|Options)(?: *:{1,2})?",
    re.IGNORECASE,
)
_LEFT_OUT_SECTION = re.compile(
    r"(?:Examples?|Usage|Shapes?|See Also|References|Methods|Members|Citation|Versions?|Changelog)"
    r"(?: *:{1,2})?",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"[-=~^*+#\"']{3,}")
_FIELD = re.compile(
    r"""
      :\w[\w ]*[^:`]*:(?!`)                         # :param name: what it is
    | \*{0,2}\w[\w., *]*\s:\s.*$                    # name : type
    | `{0,2}\*{0,2}[\w.]+`{0,2}\s*
      (?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:(?=\s|$)  # name (type): what it is
    | (?:\w+\.)*\w+\([^)]*\)(?:\s*->.*)?$           # a signature
    """,
    re.VERBOSE,
)
_CODE = re.compile(
    r">>>|^\s*(?:\.\.\.\s|\$\s|In \[|import |from \w+ import |def |class \w+[:(])", re.MULTILINE
)
_BULLET = re.compile(r"(?:[-*+•]|\(?[0-9a-z]{1,2}[.)])\s+")
_MARKUP: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (sign, re.compile(pattern), replacement)
    for sign, pattern, replacement in (
        ("`", r":[\w:+-]+:`([^`<]*?)\s*<[^`>]*>`", r"\1"),  # :ref:`text <target>`
        ("`", r":[\w:+-]+:`[~!]?(?:[\w.]+\.)?([^`]*)`", r"\1"),  # :class:`~module.Name`
        ("`", r"`([^`<]+?)\s*<[^`>]*>`__?", r"\1"),  # `text <address>`_
        ("](", r"!?\[([^\]]+)\]\([^)]*\)", r"\1"),  # [text](address)
        ("[`", r"\[`~?(?:[\w.]+\.)?([^`\]]*)`\]", r"\1"),  # [`Name`], Hugging Face's own
        ("]_", r"\s*\[[\w#*]+\]_", ""),  # [1]_
        ("`", r"``([^`]*)``|`([^`]*)`_{0,2}", r"\1\2"),
        ("**", r"\*\*([^*]+)\*\*", r"\1"),
        ("*", r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"\1"),
        ("_", r"(?<!\w)_([^_\s][^_]*)_(?!\w)", r"\1"),
        ("|", r"\|(\w+)\|", r"\1"),
        ("::", r"::(?=\s|$)", ":"),
    )
)
"""A sign without which the pattern cannot match, the pattern, and what is put in its place."""

_FUNCTION_WORDS = frozenset(
    (  # noqa: SIM905
        "a about after all also an and any are as at be because been before being between both but"
        " by can could did do does each either for from had has have he her his how if in into is"
        " it its may might more most must no nor not of on only or other our out over same shall"
        " she should since so some such than that the their them then there these they this those"
        " through to under until up upon was we were what when where whether which while who whose"
        " will with within without would you your"
    ).split()
)
_PLAIN_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*|\d{1,4}")
_ODD_CONTENT = re.compile(r"https?://|[\\{}|=<>`]|\w\(|copyright|licen[cs]e", re.IGNORECASE)
_BEGINNING = re.compile(r"[\"'“(]?[A-Z]")
_ENDINGS = '.!?)”"'
_EDGES = "\"'“”‘’().,;:!?[]-–—"


def prose_paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs of a docstring that are English prose, each on one line, without markup.

    Args:
        docstring: text without common indentation, as `inspect.cleandoc` leaves it.
    """
    for lines in _text_blocks(docstring):
        for item in _items(lines):
            if item.count(" ") + item.count("\n") + 1 < MIN_WORDS:
                continue  # before the markup is removed, which takes time
            paragraph = _without_markup(item)
            if is_prose(paragraph):
                yield paragraph


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph without markup reads as English sentences."""
    if not _BEGINNING.match(paragraph) or paragraph[-1] not in _ENDINGS:
        return False
    if _ODD_CONTENT.search(paragraph):
        return False
    words = [word for word in (part.strip(_EDGES) for part in paragraph.split()) if word]
    if not MIN_WORDS <= len(words) <= MAX_WORDS:
        return False
    num_function_words = sum(word.lower() in _FUNCTION_WORDS for word in words)
    if num_function_words < MIN_FUNCTION_WORD_SHARE * len(words):
        return False
    num_odd_words = sum(not _PLAIN_WORD.fullmatch(word) for word in words)
    return num_odd_words <= MAX_ODD_WORD_SHARE * len(words)


def _text_blocks(docstring: str) -> Iterator[list[str]]:
    """Runs of lines between blank lines, without code and without headings.

    A block that is indented deeper than the last line of text before it is code if that line
    ends in `::`, belongs to a directive, or is the heading of a section of examples.
    """
    skip_deeper_than: int | None = None
    fenced = False
    for block in re.split(r"\n[ \t]*\n", docstring.expandtabs()):
        was_fenced, fenced = fenced, fenced != (block.count("```") % 2 == 1)
        lines = [line for line in block.split("\n") if line.strip()]
        if was_fenced or "```" in block or not lines:
            continue
        indent = _indent(lines[0])
        if skip_deeper_than is not None and indent > skip_deeper_than:
            continue
        skip_deeper_than = None
        heading = lines[0].strip()
        underlined = len(lines) > 1 and _UNDERLINE.fullmatch(lines[1].strip()) is not None
        if _LEFT_OUT_SECTION.fullmatch(heading):
            # What follows an underlined heading (numpydoc) stands at the heading's indentation.
            skip_deeper_than = indent - 1 if underlined else indent
            continue
        if heading.startswith("..") or lines[-1].rstrip().endswith("::"):
            skip_deeper_than = indent
        if heading.startswith("..") or _CODE.search(block):
            continue
        if underlined:
            lines = lines[2:]
        elif _FIELDS_SECTION.fullmatch(heading):
            lines = lines[1:]
        if lines:
            yield lines


def _items(lines: list[str]) -> Iterator[str]:
    """The block itself, or the items of a list or of a list of fields; nothing if a table.

    Of a field, such as a parameter, only its description is left, without its name and type; of a
    definition, only what stands below the term.
    """
    if any(_UNDERLINE.search(line) or line.count("|") > 1 for line in lines):
        return
    base = min(map(_indent, lines))
    has_fields = _indent(lines[0]) == base and _FIELD.match(lines[0].strip()) is not None
    item: list[str] = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        text = line.strip()
        at_base = _indent(line) == base
        field = _FIELD.match(text) if has_fields and at_base else None
        start = field or _BULLET.match(text)
        is_term = at_base and _indent(below) > base and len(text.split()) <= _MAX_TERM_WORDS
        if (start or is_term) and item:
            yield "\n".join(item)
            item = []
        if start:
            item.append(text[start.end() :])
        elif not is_term:
            item.append(text)
    yield "\n".join(item)


def _without_markup(paragraph: str) -> str:
    for sign, pattern, replacement in _MARKUP:
        if sign in paragraph:
            paragraph = pattern.sub(replacement, paragraph)
    return " ".join(paragraph.split())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
