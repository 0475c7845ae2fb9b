"""Gold tags of treebanks reach every subword of their words, through tokenizers of every kind.

The checker uses nothing of the package. It reads CoNLL-U, puts the text together, reads the rows by
pyarrow and finds the place of each token by itself: from the bytes that byte-level tokens spell,
else from the offsets of `tokenizers`. Under a masking of whole words none is selected in part.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

import tidemask
from places import SHARED_DATA
from tidemask import MaskingCollator, MaskingSettings, Vocabulary
from tidemask.masking.schedule import Constant
from tokenizer_kinds import BEGIN, END, KINDS, MASK, PAD, SPECIAL, UNKNOWN, tokenizer_of

UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
TREEBANKS = {
    name: SHARED_DATA / "pos" / f"{name}-ud-test.conllu.xz" for name in ("en_ewt", "en_gum")
}

OURS = """# newdoc id = one
# newpar
# text = The harbour isn't deep; 10 000 boats don't care.
1\tThe\t_\tDET\tDT\t_\t_\t_\t_\t_
2\tharbour\t_\tNOUN\tNN\t_\t_\t_\t_\t_
3-4\tisn't\t_\t_\t_\t_\t_\t_\t_\t_
3\tis\t_\tAUX\tVBZ\t_\t_\t_\t_\t_
4\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_
5\tdeep\t_\tADJ\tJJ\t_\t_\t_\t_\tSpaceAfter=No
6\t;\t_\tPUNCT\t:\t_\t_\t_\t_\t_
7\t10 000\t_\tNUM\tCD\t_\t_\t_\t_\t_
8\tboats\t_\tNOUN\tNNS\t_\t_\t_\t_\t_
8.1\tsurely\t_\tADV\tRB\t_\t_\t_\t_\t_
9-10\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
9\tdo\t_\tAUX\tVBP\t_\t_\t_\t_\t_
10\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_
11\tcare\t_\tVERB\tVB\t_\t_\t_\t_\tSpaceAfter=No
12\t.\t_\tPUNCT\t.\t_\t_\t_\t_\t_

# newdoc id = two
# text = Lanterns glowed.
1\tLanterns\t_\tNOUN\tNNS\t_\t_\t_\t_\t_
2\tglowed\t_\tVERB\tVBD\t_\t_\t_\t_\tSpaceAfter=No
3\t.\t_\tPUNCT\t.\t_\t_\t_\t_\t_
"""

Word = tuple[int, int, str]
"""Start, end and tag."""


def documents_of(conllu: str) -> Iterator[tuple[str, list[Word]]]:
    """Text and words of each document."""
    text, words, gap = "", list[Word](), ""
    for block in conllu.strip().split("\n\n"):
        lines = [line.split("\t") for line in block.splitlines() if line[0] != "#"]
        if "# newdoc" in block and text:
            yield text, words
            text, words = "", []
        elif text:
            text += "\n" if "# newpar" in block else " "
        inside = 0
        gap = ""
        for cells in lines:
            space = "" if "SpaceAfter=No" in cells[9] else " "
            if "." in cells[0]:
                continue
            if "-" in cells[0]:
                text += gap + cells[1]
                begin, inside, gap = len(text) - len(cells[1]), int(cells[0].split("-")[1]), space
                continue
            if int(cells[0]) > inside:
                text += gap + cells[1]
                begin, gap = len(text) - len(cells[1]), space
            assert text[begin:].startswith(cells[1]), (text[begin:], cells)
            words.append((begin, begin + len(cells[1]), cells[3]))
            begin += len(cells[1])
    yield text, words


def places_of(kind: str, tokenizer: Any, text: str) -> list[tuple[int, set[int]]]:
    """Id of each token, and the places of its characters that are no white space."""
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, spans = encoding["input_ids"], encoding["offset_mapping"]
    if kind in ("byte-level", "robbert"):  # offsets are trimmed; each letter of a token is a byte
        places = [
            i for i, letter in enumerate(text) for _ in letter.encode() if letter not in " \n"
        ]
        tokens = tokenizer.convert_ids_to_tokens(ids)
        sizes = [sum(letter not in "ĠĊ" for letter in token) for token in tokens]
        ends = list(accumulate(sizes, initial=0))
        assert ends[-1] == len(places)
        found = [set(places[begin:end]) for begin, end in pairwise(ends)]
    else:
        tokens = tokenizer.convert_ids_to_tokens(ids)
        # A mark alone may have the offsets of the letter that it stands before.
        found = [
            set(range(*span)) if token != "▁" else set[int]()
            for token, span in zip(tokens, spans, strict=True)
        ]
    return [
        (one, {place for place in of_token if not text[place].isspace()})
        for one, of_token in zip(ids, found, strict=True)
    ]


class Token(NamedTuple):
    """A token of text, as the files of the corpus have it, and whether a masking selects it."""

    id: int
    begins_word: bool
    name: str
    opens_row: bool
    is_selected: bool


def tokens_of(corpus: Path) -> list[Token]:
    """The tokens of all rows in order, under a masking of whole words."""
    names = json.loads((corpus / "manifest.json").read_text())["class_names"]
    assert names == UPOS
    policy = MaskingSettings(ratio=Constant(ratio=0.3), unit="word")
    vocabulary = Vocabulary.of(500, MASK, range(len(SPECIAL)))
    collator = MaskingCollator(policy, vocabulary, max_steps=1, pad_id=PAD)
    result = []
    for path in sorted((corpus / "train").glob("*.arrow")):
        with pa.memory_map(str(path)) as file:
            rows = pa.ipc.open_stream(file).read_all().to_pylist()
        for row in rows:
            ids, starts, classes = row["input_ids"], row["word_start"], row["token_class"]
            (labels,) = collator([{"input_ids": ids, "word_starts": starts}])["labels"].tolist()
            text = [i for i, one in enumerate(ids) if one not in (PAD, BEGIN, END)]
            for i in text:
                name = UPOS[classes[i]] if classes[i] != 255 else ""
                result.append(Token(ids[i], starts[i], name, i == text[0], labels[i] >= 0))
    return result


def check(kind: str, source: Path, tmp_path: Path) -> int:
    """Number of tokens that lie in one word, all of which have its class."""
    template = ("<s> $A </s>", "<s> $A </s> $B </s>")
    tokenizer = tokenizer_of(kind, template=template)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    tidemask.prepare(
        source,
        out=tmp_path / "corpus",
        tokenizer=tmp_path / "tokenizer",
        tagger="conllu",
        held_out=0,
        deduplicate="none",
        sequence_length=4096,
        workers=1,
        progress=False,
    )
    tokens = tokens_of(tmp_path / "corpus")
    assert {token.is_selected for token in tokens} == {False, True}
    found = iter(tokens)
    num_checked = 0
    opener = lzma.open if source.suffix == ".xz" else open
    with opener(source, "rt", encoding="utf-8") as file:
        content = file.read()
    for text, words in documents_of(content):
        word_of = {i: number for number, (a, b, _) in enumerate(words) for i in range(a, b)}
        reached, marked, opens_row = -1, False, False
        before: tuple[set[int], bool] = set(), False
        for one, places in places_of(kind, tokenizer, text):
            token = next(found)
            assert token.id == one
            touched = {word_of[place] for place in places}
            if not touched:
                marked, opens_row = token.begins_word, token.opens_row
                continue
            if len(touched) == 1:
                (number,) = touched
                assert token.name == words[number][2], text[max(0, min(places) - 9) :][:20]
                num_checked += 1
            if not (token.opens_row or opens_row):  # there a word starts, whatever was before
                # A mark of the space before a word, where it is a token alone, has the start.
                assert (token.begins_word or marked) == (min(touched) > reached)
                if touched & before[0] and token.id != UNKNOWN:
                    assert token.is_selected == before[1], "a word is masked in part"
            # An unknown token is never masked, and ends what is masked together.
            before = set() if token.id == UNKNOWN else touched, token.is_selected
            marked = opens_row = False
            reached = max(reached, *touched)
    assert next(found, None) is None
    return num_checked


@pytest.mark.parametrize("kind", KINDS)
def test_gold_tags_reach_every_subword(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "ours.conllu"
    source.write_text(OURS, encoding="utf-8")
    assert check(kind, source, tmp_path) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("treebank", TREEBANKS)
@pytest.mark.parametrize("kind", KINDS)
def test_gold_tags_of_treebanks_reach_every_subword(
    kind: str, treebank: str, tmp_path: Path
) -> None:
    source = TREEBANKS[treebank]
    if not source.is_file():
        pytest.skip("no shared data beside the checkout")
    assert check(kind, source, tmp_path) > 23_000
