"""Words and characters of texts that are compared: marks and joiners belong to their letter."""

from __future__ import annotations

from tidemask.corpus.units import compared_units, count_words


def test_units_keep_marks_and_joiners_with_their_letters() -> None:
    assert compared_units("किताब पढ़ो, भाई!", "word") == ["किताब", "पढ़ो", "भाई"]
    assert compared_units("می\u200cخواهم کتاب", "word") == ["می\u200cخواهم", "کتاب"]
    assert compared_units("e\u0301te\u0301", "word") == compared_units("été", "word") == ["été"]
    assert compared_units("كِتَابٌ", "word") == ["كِتَابٌ"]
    assert len(compared_units("किताब", "character")) == 3


def test_units_of_scripts_without_spaces_are_letters_with_their_marks() -> None:
    assert compared_units("我们read书。", "word") == ["我", "们", "read", "书"]
    assert compared_units("がぎ", "word") == ["が", "ぎ"]
    assert compared_units("ที่บ้าน", "word") == ["ที่", "บ้", "า", "น"]
    assert compared_units("ភាសា", "word") == ["ភា", "សា"]


def test_units_have_no_case_and_no_punctuation() -> None:
    assert compared_units("STRASSE, Straße -- 2nd!", "word") == ["strasse", "strasse", "2nd"]
    assert compared_units("... !!! 🙂", "word") == []
    assert compared_units("A b.", "character") == ["a", "b"]


def test_count_words_counts_letters_where_there_are_no_spaces() -> None:
    assert count_words("") == count_words(" \n\t") == 0
    assert count_words("one two\nthree, four") == 4
    assert count_words("今天下雨") == 4
    assert count_words("今天 rain") == 3
    assert count_words("ที่บ้าน") == 4
