"""Prose out of docstrings: what is kept, what is dropped, and what is left of the markup."""

from __future__ import annotations

import inspect

import pytest

from tidemask.corpus.demo_text.prose import is_prose, prose_paragraphs

REST = """Return the height of the tide at a given hour of the day.

    The height is measured from the *mean* level of the sea; see :func:`~tides.mean_level` for how
    that level is found. **Negative** values mean that the water is lower [1]_ than usual.

    Parameters
    ----------
    hour : float
        The hour of the day for which the height is wanted, from 0 to 24.
    place : str, optional
        Where.

    Returns
    -------
    float
        The height of the water in metres above the mean level of the sea.

    Examples
    --------
    This paragraph of the examples is not what we want to have in the text.

    >>> height(3.5)
    1.25

    Notes
    -----
    A diary of the tides is kept by the harbour master, who writes it up every evening::

        diary = open("the diary of the tides is a file that we open and then read to the end.")

    .. note:: This is a directive, and the text that it holds is not for us to read.

    =====  =====================================
    hour   what the water does at the time of it
    =====  =====================================
    """

GOOGLE = """Find the boats that lie in a harbour and that can be hired for the day.

    Args:
        harbour (`Harbour`): The harbour in which the boats lie at the time of the question.
        limit: Most.

    Returns:
        `list`: The boats, of which the largest is the first and the smallest is the last.

    Example:

    ```python
    boats = find(harbour)  # the boats that are in the harbour and that are for hire
    ```

    - A boat that is at sea on the day is never one of those that are found.
    - Short.
    """


def test_numpy_style_leaves_sentences_without_markup() -> None:
    assert list(prose_paragraphs(inspect.cleandoc(REST))) == [
        "Return the height of the tide at a given hour of the day.",
        "The height is measured from the mean level of the sea; see mean_level for how that level"
        " is found. Negative values mean that the water is lower than usual.",
        "The hour of the day for which the height is wanted, from 0 to 24.",
        "The height of the water in metres above the mean level of the sea.",
    ]


def test_google_style_leaves_what_is_said_about_each_argument() -> None:
    assert list(prose_paragraphs(inspect.cleandoc(GOOGLE))) == [
        "Find the boats that lie in a harbour and that can be hired for the day.",
        "The harbour in which the boats lie at the time of the question.",
        "The boats, of which the largest is the first and the smallest is the last.",
        "A boat that is at sea on the day is never one of those that are found.",
    ]


@pytest.mark.parametrize(
    "paragraph",
    [
        "Too short for a paragraph.",
        "this one does not begin with a capital, and so it is not the whole of a sentence.",
        "This one is cut off in the middle of what it was about to say to the",
        "Compute tensor broadcast matrix kernel gradient batch norm layer input output size shape.",
        "It is x_1 and y_2 or the z_3 of a b_4 in the c_5 that is the d_6 of the e_7.",
        "The address of the page at which all of this can be read is https://example.org/tides.",
        "The value of the sum is equal to a = b + c for all of the values in the list.",
        "Licensed under the terms of the licence that comes with the source of the package.",
        "",
    ],
)
def test_other_text_is_no_prose(paragraph: str) -> None:
    assert not is_prose(paragraph)


def test_the_share_of_function_words_decides() -> None:
    assert is_prose("The boats that lie in the harbour are for hire by the day.")
    assert not is_prose("Boats lie harbour hire day large small red green blue old new.")


@pytest.mark.parametrize("docstring", ["", "\n\n", "```", "::", "..", "-----", "a\n---", ":param"])
def test_fragments_of_markup_leave_nothing(docstring: str) -> None:
    assert list(prose_paragraphs(docstring)) == []
