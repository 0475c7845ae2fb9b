"""What separates the documents of text files, where nobody says it: found by looking at them.

The beginnings of some files decide, so that the same files give the same choice. Blank lines
separate documents, or paragraphs of one: the blocks between them are paragraphs where many files
have short ones, and in Markdown. Without blank lines a line is a document if it is longer than
lines that were wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from tidemask.corpus.sources.borders import texts_between
from tidemask.corpus.sources.decoding import Decoding, decoded
from tidemask.corpus.sources.finding import InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.units import count_words

SHORT_DOCUMENT_WORDS = 50
"""Words in the median below which blocks of text may be paragraphs rather than documents."""

MANY_FILES = 5
"""Text files from which on each may be a document."""

LONG_LINE_WORDS = 20
"""Words in the median from which on a line was not wrapped, and may be a document."""

_SAMPLED_FILES = 32
_SAMPLED_CHARACTERS = 1 << 18
"""Characters that are looked at of each file."""


@dataclass(frozen=True)
class BorderChoice:
    """What separates documents, and sentences that say so and why."""

    documents: str
    notes: tuple[str, ...]


@dataclass
class _Sample:
    """Words of blocks and lines, and how many files they are of."""

    num_files: int = 0
    block_words: list[int] = field(default_factory=list)
    line_words: list[int] = field(default_factory=list)

    @property
    def has_blocks(self) -> bool:
        """Whether blank lines stand within the files."""
        return len(self.block_words) > self.num_files


def choose_borders(files: Sequence[InputFile], decoding: Decoding) -> BorderChoice:
    """What separates the documents of text files; see the module for the rule.

    Args:
        files: running text, at least one.
        decoding: of their bytes.

    Raises:
        UserError: a file cannot be read or is not text.
    """
    num_markdown = sum(file.format is Format.MARKDOWN for file in files)
    if 2 * num_markdown > len(files):
        return _chosen("file", "in Markdown blank lines separate paragraphs")
    sample = _sample(files, decoding)
    if not sample.line_words:
        return BorderChoice("blank-lines", ())  # there is no text, which is said elsewhere
    if sample.has_blocks:
        return _of_blocks(sample, len(files))
    words = median(sample.line_words)
    seen = f"there are no blank lines, and the median of a line is {_counted(words)}"
    if words >= LONG_LINE_WORDS:
        choice = _chosen("line", f"{seen}, more than lines that were wrapped")
        return _remarked(choice, words, "sentences")
    return _chosen("file", f"{seen}, as lines that were wrapped")


def _of_blocks(sample: _Sample, num_files: int) -> BorderChoice:
    words = median(sample.block_words)
    seen = f"have a median of {_counted(words)}"
    if words < SHORT_DOCUMENT_WORDS and num_files >= MANY_FILES:
        reason = f"blank lines separate blocks that {seen}, which are short for documents"
        return _chosen("file", f"there are {num_files:,} files, and {reason}")
    choice = _chosen("blank-lines", f"the blocks between them {seen}")
    return _remarked(choice, words, "paragraphs")


def _remarked(choice: BorderChoice, words: float, parts: str) -> BorderChoice:
    """The choice, with a remark where documents are so short that they may be parts of others."""
    if words >= SHORT_DOCUMENT_WORDS:
        return choice
    remark = (
        f"Half of the documents have {_counted(words)} or fewer. If they are {parts} of longer "
        "texts, name what separates those (--documents)."
    )
    return BorderChoice(choice.documents, (*choice.notes, remark))


_SAID = {
    "blank-lines": "Blank lines separate the documents",
    "file": "Each file is a document",
    "line": "Each line is a document",
}


def _chosen(documents: str, reason: str) -> BorderChoice:
    note = f"{_SAID[documents]} (--documents {documents}, chosen as {reason})."
    return BorderChoice(documents, (note,))


def _counted(words: float) -> str:
    return f"{words:,.0f} {'word' if round(words) == 1 else 'words'}"


def _sample(files: Sequence[InputFile], decoding: Decoding) -> _Sample:
    """Blocks and lines at the beginning of some files, evenly chosen."""
    sample = _Sample()
    step = max(1, -(-len(files) // _SAMPLED_FILES))
    for file in files[::step]:
        lines = list(_first_lines(file, decoding))
        blocks = list(texts_between(lines, "blank-lines", file.path, lambda: None))
        if not blocks:
            continue
        sample.num_files += 1
        sample.block_words += [count_words(block.text) for block in blocks]
        sample.line_words += [count_words(line) for line in lines if line.strip()]
    return sample


def _first_lines(file: InputFile, decoding: Decoding) -> Iterator[str]:
    """The lines within the first characters of a file; the last may break off."""
    characters = ""
    for piece in decoded(file.path, decoding):
        characters += piece
        if len(characters) >= _SAMPLED_CHARACTERS:
            break
    yield from characters[:_SAMPLED_CHARACTERS].split("\n")
