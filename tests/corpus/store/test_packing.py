import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.store.packing import RowPacker
from tidemask.corpus.store.pieces import Pieces
from tidemask.corpus.store.rows import EncodedDocument, RowLayout, Rows
from tidemask.token_classes import NO_CLASS

BEGIN, END, PAD = 1, 2, 0
FORMS = {"both": (BEGIN, END), "end": (None, END), "begin": (BEGIN, None), "none": (None, None)}


def layout(sequence_length, form="both", vocab_size=1000):
    begin_id, end_id = FORMS[form]
    return RowLayout(
        sequence_length=sequence_length,
        vocab_size=vocab_size,
        begin_id=begin_id,
        end_id=end_id,
        separator_id=end_id,
        pad_id=PAD,
    )


def document(word_lengths, first_id=10):
    """Words of the given lengths with ids that count up, and their length as the class."""
    num_tokens = sum(word_lengths)
    starts = np.zeros(num_tokens, np.bool_)
    starts[np.cumsum([0, *word_lengths])[:-1]] = True
    return EncodedDocument(
        np.arange(first_id, first_id + num_tokens, dtype=np.uint32),
        starts,
        np.repeat(np.array(word_lengths, np.uint8), word_lengths),
        3 * np.arange(num_tokens),
    )


def documents_of(word_lengths):
    first_ids = np.cumsum([10] + [sum(lengths) for lengths in word_lengths])
    return [document(w, first) for w, first in zip(word_lengths, first_ids[:-1], strict=True)]


def blocks_of(documents, form):
    packer = RowPacker(form)
    blocks = [block for n, each in enumerate(documents) for block in packer.add(each, n)]
    return [rows for rows, _ in [*blocks, *packer.finish()]]


def packed(documents, form):
    return Rows.concatenate(blocks_of(documents, form))


def slow_contents(documents, form):
    """The content of each row as (id, whether a word starts, class), token by token."""
    contents, content, needs_separator = [], [], False
    for each in documents:
        separator = [(END, False, NO_CLASS)] * (needs_separator and form.end_id is not None)
        needs_separator |= bool(len(each.ids))
        tokens = zip(
            each.ids.tolist(), each.word_starts.tolist(), each.classes.tolist(), strict=True
        )
        for token in [*separator * bool(len(each.ids)), *tokens]:
            if len(content) == form.capacity:
                contents.append(content)
                content = []
            if content:
                content.append(token)
            elif token[0] != END:
                content = [(token[0], True, token[2])]
    return contents + [content] * bool(content)


def slow_rows(documents, form):
    """Rows of (ids, word starts, classes, length), as the module describes them."""
    result = []
    for content in slow_contents(documents, form):
        begin = [(BEGIN, False, NO_CLASS)] * (form.begin_id is not None)
        end = [(END, False, NO_CLASS)] * (form.end_id is not None)
        row = begin + content + end
        padding = [(PAD, False, NO_CLASS)] * (form.sequence_length - len(row))
        result.append((*map(list, zip(*row, *padding, strict=True)), len(row)))
    return result


many_documents = st.lists(st.lists(st.integers(1, 11), max_size=12), max_size=8)
forms = st.builds(layout, st.integers(4, 12), st.sampled_from(sorted(FORMS)))


@given(word_lengths=many_documents, form=forms)
def test_packing_is_that_of_a_slow_reference(word_lengths, form):
    documents = documents_of(word_lengths)
    rows = packed(documents, form)
    expected = slow_rows(documents, form)
    assert rows.input_ids.tolist() == [row[0] for row in expected]
    assert rows.word_start.tolist() == [row[1] for row in expected]
    assert rows.token_class.tolist() == [row[2] for row in expected]
    assert rows.length.tolist() == [row[3] for row in expected]


@given(word_lengths=many_documents, form=forms)
def test_packing_loses_nothing_and_keeps_the_order(word_lengths, form):
    documents = documents_of(word_lengths)
    rows = packed(documents, form)
    content = rows.input_ids[rows.input_ids >= 10]  # ids of text begin at 10
    assert content.tolist() == list(range(10, 10 + sum(map(sum, word_lengths))))


@given(word_lengths=many_documents, form=forms)
def test_packing_pads_the_last_row_alone(word_lengths, form):
    rows = packed(documents_of(word_lengths), form)
    assert (rows.length[:-1] == form.sequence_length).all()


@given(word_lengths=many_documents, form=forms)
def test_packing_starts_words_where_documents_do_and_where_rows_begin(word_lengths, form):
    documents = documents_of(word_lengths)
    starts = {int(i) for each in documents for i in each.ids[each.word_starts]}
    rows = packed(documents, form)
    first = rows.input_ids[:, int(form.begin_id is not None)]
    found = rows.input_ids[rows.word_start]
    assert sorted(found.tolist()) == sorted(starts | set(first.tolist()))
    assert sum(each.num_words for each in documents) == sum(map(len, word_lengths))


@given(word_lengths=many_documents, form=forms, block_tokens=st.integers(1, 40))
def test_packing_does_not_depend_on_the_size_of_blocks(word_lengths, form, block_tokens):
    documents = documents_of(word_lengths)
    packer = RowPacker(form, block_tokens=block_tokens)
    blocks = [block for n, each in enumerate(documents) for block in packer.add(each, n)]
    blocks += packer.finish()
    together = RowPacker(form)
    expected = [block for n, each in enumerate(documents) for block in together.add(each, n)]
    expected += together.finish()
    for kind in (0, 1):  # rows and pieces
        for name in vars(expected[0][kind]):
            found, once = (
                np.concatenate([getattr(block[kind], name) for block in each])
                for each in (blocks, expected)
            )
            assert found.tolist() == once.tolist()


@given(word_lengths=many_documents, form=forms)
def test_pieces_name_every_token_of_every_document_once(word_lengths, form):
    documents = documents_of(word_lengths)
    packer = RowPacker(form)
    blocks = [block for n, each in enumerate(documents) for block in packer.add(each, 5 * n)]
    blocks += packer.finish()
    rows = Rows.concatenate([rows for rows, _ in blocks])
    pieces = Pieces.joined([pieces for _, pieces in blocks])
    found = {5 * n: [] for n in range(len(documents))}
    for row, position, length, number, token, character in zip(
        *(column.tolist() for column in vars(pieces).values()), strict=True
    ):
        document = documents[number // 5]
        assert token == len(found[number])
        assert character == document.starts[token]
        found[number] += rows.input_ids[row, position : position + length].tolist()
    assert found == {5 * n: each.ids.tolist() for n, each in enumerate(documents)}
    places = list(zip(pieces.row.tolist(), pieces.position.tolist(), strict=True))
    assert places == sorted(set(places))


def test_packing_puts_documents_into_one_row_with_a_separator_between():
    rows = packed(documents_of([[2, 1], [1], [3]]), layout(12))
    assert rows.input_ids.tolist() == [[1, 10, 11, 12, 2, 13, 2, 14, 15, 16, 2, 0]]
    assert rows.word_start[0].nonzero()[0].tolist() == [1, 3, 5, 7]
    assert rows.token_class[0].tolist() == [255, 2, 2, 1, 255, 1, 255, 3, 3, 3, 255, 255]
    assert rows.length.tolist() == [11]


def test_packing_cuts_a_word_at_the_end_of_a_row():
    rows = packed([document([3, 3, 1])], layout(7))
    assert rows.input_ids.tolist() == [[1, 10, 11, 12, 13, 14, 2], [1, 15, 16, 2, 0, 0, 0]]
    assert rows.word_start.astype(int).tolist() == [[0, 1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0, 0]]
    assert rows.token_class[:, 1:3].tolist() == [[3, 3], [3, 1]]
    assert rows.length.tolist() == [7, 4]


def test_packing_cuts_a_word_that_is_longer_than_a_row():
    rows = packed([document([1, 9])], layout(6))
    assert rows.input_ids.tolist() == [
        [1, 10, 11, 12, 13, 2],
        [1, 14, 15, 16, 17, 2],
        [1, 18, 19, 2, 0, 0],
    ]
    assert rows.word_start.sum(axis=1).tolist() == [2, 1, 1]
    assert rows.word_start[:, 1].all()


def test_packing_a_row_may_end_with_a_separator_and_never_begins_with_one():
    rows = packed(documents_of([[4], [3], [4]]), layout(6))
    assert rows.input_ids.tolist() == [
        [1, 10, 11, 12, 13, 2],
        [1, 14, 15, 16, 2, 2],
        [1, 17, 18, 19, 20, 2],
    ]
    assert rows.word_start[:, 4].tolist() == [False, False, False]
    assert rows.token_class[1].tolist() == [255, 3, 3, 3, 255, 255]
    assert rows.length.tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("vocab_size", "kind"),
    [(256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32)],
)
def test_packing_ids_have_the_smallest_type_that_fits(vocab_size, kind):
    rows = packed([document([1])], layout(8, vocab_size=vocab_size))
    assert rows.input_ids.dtype == kind
    types = (rows.word_start.dtype, rows.token_class.dtype, rows.length.dtype)
    assert types == (np.bool_, np.uint8, np.int32)


def test_packing_nothing_gives_no_rows():
    for documents in ([], [document([]), document([])]):
        rows = packed(documents, layout(8))
        assert rows.input_ids.shape == rows.word_start.shape == rows.token_class.shape == (0, 8)
        assert rows.length.shape == (0,)


@pytest.mark.slow
def test_packing_a_million_words_takes_seconds():
    draw = np.random.default_rng(0)
    documents = [document(draw.integers(1, 4, 1000).tolist()) for _ in range(1000)]
    start = time.process_time()
    num_rows = sum(len(block.length) for block in blocks_of(documents, layout(128, "both", 70_000)))
    assert num_rows > 15_000
    assert time.process_time() - start < 5
