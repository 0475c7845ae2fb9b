"""Texts whose lines are parts of one, and texts whose lines are documents, told apart."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from cases import all_cases
from places import SHARED_DATA
from prose import document, sentence
from tidemask.corpus.sources.border_choice import LONG_LINE_WORDS, MANY_LINES
from tidemask.corpus.sources.line_form import LineForm
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.corpus.units import count_words

LINES_REMARK = (
    "If each line is a document of its own, as a message or a review is, choose --documents line."
)

SONNETS = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou growest:
So long as men can breathe or eyes can see,
So long lives this and this gives life to thee.
Let me not to the marriage of true minds
Admit impediments. Love is not love
Which alters when it alteration finds,
Or bends with the remover to remove:
O no! it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wandering bark,
Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks
Within his bending sickle's compass come;
Love alters not with his brief hours and weeks,
But bears it out even to the edge of doom.
If this be error and upon me proved,
I never writ, nor no man ever loved."""

GERMAN = (
    "Die Schwester kam am frühen Morgen auf die Station und öffnete alle Fenster. Draußen lag noch "
    "Nebel über dem Fluss, und die Fähre fuhr mit brennenden Lampen. Niemand hatte in der Nacht "
    "gerufen; nur der Alte am Ende des Ganges war lange wach gewesen und hatte Briefe gelesen. "
)
CHINESE = "河水流过石桥,渔夫把小船系在柳树下。雨停以后孩子们跑到岸边,看老人修补渔网。"
ARABIC = "وصلت السفينة إلى الميناء قبل الفجر وكان البحارة ينتظرون الريح منذ أيام طويلة. "


def tweets(rng: random.Random) -> str:
    lines = []
    for _ in range(200):
        said = sentence(rng) if rng.random() < 0.6 else sentence(rng)[:-1].lower()
        more = [rng.choice(["@marta", "#harbour", "lol", "so true", "😀", "again?", "see you"])]
        lines.append(" ".join([said, *more * rng.randrange(3)][:: rng.choice([1, 1, -1])]))
    return "\n".join(lines)


def wrapped(rng: random.Random, width: int, sentences: int = 8) -> str:
    """Indented paragraphs without blank lines between them."""
    paragraphs = (document(rng, sentences).replace("\n", " ") for _ in range(30))
    return "\n".join(textwrap.fill(text, width, initial_indent="  ") for text in paragraphs)


def broken(text: str, width: int) -> str:
    """Text without spaces, each paragraph in lines of so many letters."""
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def log(rng: random.Random) -> str:
    """Lines that begin alike and are about as long as each other."""
    verbs = ["opened", "closed", "queued", "failed"]
    return "\n".join(
        f"info {rng.choice(verbs)} request {rng.randrange(1000, 9999)} of the harbour office"
        for _ in range(200)
    )


def dated_log(rng: random.Random) -> str:
    return "\n".join(
        f"2024-03-{rng.randrange(10, 28)} {rng.randrange(10, 24)}:05:11 WARN worker {rng.random()}"
        for _ in range(200)
    )


def chinese_messages(rng: random.Random) -> str:
    starts = [rng.randrange(20) for _ in range(60)]
    return "\n".join(CHINESE[one : one + rng.randrange(4, 18)].strip(",。") for one in starts)


Maker = Callable[[random.Random], str]
PARTS: dict[str, Maker] = {
    "verse": lambda _: SONNETS,
    "wrapped at 40": lambda rng: wrapped(rng, 40),
    "wrapped at 72": lambda rng: wrapped(rng, 72),
    "wrapped at 130, 20 words and more": lambda rng: wrapped(rng, 130),
    "wrapped, short paragraphs": lambda rng: wrapped(rng, 60, sentences=3),
    "wrapped German": lambda _: textwrap.fill(GERMAN * 9, 70),
    "wrapped Arabic": lambda _: textwrap.fill(ARABIC * 20, 60),
    "broken Chinese, 30 letters and more": lambda _: broken(CHINESE * 40, 32),
}
DOCUMENTS: dict[str, Maker] = {
    "tweets": tweets,
    "one sentence a line": lambda rng: "\n".join(sentence(rng) for _ in range(200)),
    "lower-cased sentences": lambda rng: "\n".join(sentence(rng)[:-1].lower() for _ in range(200)),
    "a log": log,
    "a log with dates": dated_log,
    "Chinese messages": lambda rng: "\n".join(
        CHINESE[(start := rng.randrange(20)) : start + rng.randrange(4, 18)].strip(",。")
        for _ in range(60)
    ),
    "numbered lines": lambda _: "\n".join(
        f"old boats slept {number} under rain {number**2}" for number in range(200)
    ),
}


def chosen(path: Path, text: str) -> tuple[str, list[str]]:
    path.write_text(text, "utf-8")
    sources = TextSources.find([path], TextSettings())
    return sources.documents, sources.notes()


@all_cases("make", PARTS.values(), ids=PARTS)
def test_lines_that_are_parts_of_a_text_make_one_document(make: Maker, tmp_path: Path) -> None:
    for seed in range(5):
        text = make(random.Random(seed))
        documents, notes = chosen(tmp_path / "text.txt", text)
        assert documents == "file", notes
        are_short = median(map(count_words, text.split("\n"))) < LONG_LINE_WORDS
        assert (LINES_REMARK in notes) == (are_short and text.count("\n") + 1 >= MANY_LINES)


@all_cases("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_lines_that_are_documents_are_found(make: Maker, tmp_path: Path) -> None:
    for seed in range(5):
        documents, notes = chosen(tmp_path / "text.txt", make(random.Random(seed)))
        assert documents == "line", notes
        assert "If they are sentences of longer texts" in notes[1]


def test_lines_of_many_files_are_left_together_with_a_remark(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(tweets(random.Random(number)), "utf-8")
    sources = TextSources.find([tmp_path], TextSettings())
    assert sources.documents == "file"
    assert sources.notes()[1:] == [LINES_REMARK]


def test_lines_with_a_stray_blank_one_are_remarked_on(tmp_path: Path) -> None:
    rng = random.Random(1)
    text = f"{tweets(rng)}\n\n{tweets(rng)}"
    documents, notes = chosen(tmp_path / "text.txt", text)
    assert documents == "blank-lines"
    assert notes[1:] == [LINES_REMARK]
    assert LINES_REMARK not in chosen(tmp_path / "text.txt", f"{SONNETS}\n\n{SONNETS}")[1]


@pytest.mark.parametrize("width", [30, 55, 100])
def test_line_form_counts_what_a_wrapped_text_filled(width: int) -> None:
    """Each line but a paragraph's last would not have held the next word: `textwrap` fills so."""
    rng = random.Random(width)
    paragraphs = [textwrap.wrap(document(rng, 10).replace("\n", " "), width) for _ in range(20)]
    lines = [line for paragraph in paragraphs for line in paragraph]
    form = LineForm()
    form.add(lines)
    assert form.num_lines == len(lines) - 1
    # The margin is found from the lines, and may be a few letters less or more than the width.
    num_full = len(lines) - len(paragraphs)
    assert num_full - 0.1 * len(lines) <= form.num_filled <= num_full + 0.1 * len(lines)
    assert form.num_ended >= len(paragraphs) - 1
    assert form.is_wrapped


@pytest.mark.parametrize("name", ["books-1M.txt.xz", "heldout.txt.xz", "books-50M"])
def test_lines_of_books_leave_blank_lines_as_borders(name: str) -> None:
    """Chapters of novels with a paragraph on each line, and blank lines between chapters."""
    path = SHARED_DATA / "corpus" / name
    if not path.exists():
        pytest.skip("no shared data beside the checkout")
    sources = TextSources.find([path], TextSettings())
    assert sources.documents == "blank-lines"
    assert len(sources.notes()) == 1
