"""What separates the documents of text files, where nobody says it: found by looking at them.

The beginnings of some files decide, so that the same files give the same choice. Blank lines
separate documents, or paragraphs of one: the blocks between them are paragraphs where many files
have short ones, and in Markdown. Without blank lines a line is a document unless lines have the
form of parts of one text, as wrapped ones do and those of verse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from tidemask.corpus.sources.borders import texts_between
from tidemask.corpus.sources.decoding import Decoding, decoded
from tidemask.corpus.sources.finding import InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.line_form import LineForm
from tidemask.corpus.units import count_words

SHORT_DOCUMENT_WORDS = 50
"""Words in the median below which blocks of text may be paragraphs rather than documents."""

MANY_FILES = 5
"""Text files from which on each may be a document."""

LONG_LINE_WORDS = 20
"""Words in the median from which on a line that was not wrapped is a document in any case."""

MANY_LINES = 20
"""Short lines without a blank one between them from which on each may be a document."""

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
    form: LineForm = field(default_factory=LineForm)

    @property
    def has_blocks(self) -> bool:
        """Whether blank lines stand within the files."""
        return len(self.block_words) > self.num_files

    @property
    def may_have_line_documents(self) -> bool:
        """Whether there are many short lines in a block, or in a file without blank lines."""
        is_short = median(self.line_words) < LONG_LINE_WORDS
        return is_short and len(self.line_words) >= MANY_LINES * len(self.block_words)


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
    return _of_lines(sample, len(files))


def _of_lines(sample: _Sample, num_files: int) -> BorderChoice:
    words, form, num_lines = median(sample.line_words), sample.form, len(sample.line_words)
    seen = f"there are no blank lines, and lines have {_counted(words)} in the median"
    if form.is_wrapped:
        choice = _chosen("file", f"{seen}, and end at a margin as lines that were wrapped")
    elif words >= LONG_LINE_WORDS:
        return _remarked(_chosen("line", f"{seen}, and were not wrapped"), words, "sentences")
    elif form.has_clauses:
        choice = _chosen("file", f"{seen}, and {form.clause_share:.0%} end in a comma or its like")
    elif num_files >= MANY_FILES:
        choice = _chosen("file", f"{seen}, in {num_files:,} files")
    elif num_lines < MANY_LINES:  # so few sentences make one text
        choice = _chosen("file", f"{seen}, and there are {num_lines} of them")
    else:
        reason = f"{seen}, and end neither at a margin nor in commas"
        return _remarked(_chosen("line", reason), words, "sentences")
    return _with_lines_remark(choice) if sample.may_have_line_documents else choice


def _of_blocks(sample: _Sample, num_files: int) -> BorderChoice:
    words = median(sample.block_words)
    seen = f"have a median of {_counted(words)}"
    if words < SHORT_DOCUMENT_WORDS and num_files >= MANY_FILES:
        reason = f"blank lines separate blocks that {seen}, which are short for documents"
        return _chosen("file", f"there are {num_files:,} files, and {reason}")
    choice = _chosen("blank-lines", f"the blocks between them {seen}")
    are_parts = sample.form.is_wrapped or sample.form.has_clauses
    if sample.may_have_line_documents and not are_parts:
        return _with_lines_remark(choice)
    return _remarked(choice, words, "paragraphs")


def _with_lines_remark(choice: BorderChoice) -> BorderChoice:
    remark = (
        "If each line is a document of its own, as a message or a review is, choose "
        "--documents line."
    )
    return BorderChoice(choice.documents, (*choice.notes, remark))


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
        sample.form.add(lines)
    return sample


def _first_lines(file: InputFile, decoding: Decoding) -> Iterator[str]:
    """The lines within the first characters of a file; the last may break off."""
    characters = ""
    for piece in decoded(file.path, decoding):
        characters += piece
        if len(characters) >= _SAMPLED_CHARACTERS:
            break
    yield from characters[:_SAMPLED_CHARACTERS].split("\n")
