"""Lists of sources: what they say, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import all_cases
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.source_list import is_source_list, read_source_list
from tidemask.errors import UserError


def test_source_list_of_settings_and_patterns(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(
        "sources:\n"
        "  - {name: a, text: x.txt, documents: line, passes: 2}\n"
        "  - {name: b, text: [y/*.jsonl, 'hf:news', /z.txt], text_field: body, min_words: 5}\n"
    )
    first, second = read_source_list(path)
    here = Path("here")
    assert first.patterns(here) == ["here/x.txt"]
    assert second.patterns(here) == ["here/y/*.jsonl", "hf:news", "/z.txt"]
    of_all = TextSettings(encoding="cp1252", keep=("year",))
    assert first.settings(of_all) == TextSettings(
        encoding="cp1252", keep=("year",), documents="line"
    )
    assert second.settings(of_all).text_field == "body"
    assert (first.passes, second.passes, second.min_words) == (2.0, 1.0, 5)


@all_cases(("content", "said"), [
    ("- a", "unreadable file: {} holds a list. Expected the key sources alone, with a list of "
     "sources, each with a name and text."),
    ("source: []", "no list of sources: {} has source. Expected the key sources alone"),
    ("sources: []", "no list of sources: {} has sources. Expected the key"),
    ("sources: [x.txt]", 'no source: {}, sources[0]="x.txt". Expected a mapping.'),
    ("sources: [{name: a}]", "no text: {}, sources[0]. Expected a source with a name and text."),
    ("sources: [{text: a}]", "no name: {}, sources[0]. Expected"),
    ("sources: [{name: a, text: b, pases: 2}]", "unknown key: {}, sources[0].pases. Expected one of"
     " name, text, passes, min_words, max_words, language, language_threshold, text_field,"
     " documents, keep, encoding, errors. Did you mean passes?"),
    ("sources: [{name: a, text: b, weight: 2}]", "documents, keep, encoding, errors. Did you mean "
     "passes, how often the text stands in the corpus?"),
    ("sources: [{name: a, text: b, share: 0.2}]", "reads is training.source_shares of the run."),
    ("sources: [{name: a, path: b}]", "{}, sources[0].path. Expected one of name, text, passes, "
     "min_words, max_words, language, language_threshold, text_field, documents, keep, encoding, "
     "errors. Did you mean text?"),
    ("sources: [{name: a, text: b, passes: 0}]", "wrong source: {}, sources[0]: passes=0."),
    ("sources: [{name: a, text: b, passes: many}]", "wrong source: {}, sources[0]: passes='many'."),
    ("sources: [{name: a, text: b, passes: 1e9}]", "wrong source: {}, sources[0]: passes=1e+09."),
    ("sources: [{name: a, text: 5}]", "wrong source: {}, sources[0]: text=5. Expected"),
    ("sources: [{name: '', text: b}]", "wrong source: {}, sources[0]: name is empty."),
    ("sources: [{name: a, text: b, min_words: 9, max_words: 5}]",
     "wrong source: {}, sources[0]: max_words=5. Expected an integer of at least 9."),
    ("sources: [{name: a, text: b, documents: lines}]",
     "wrong source: {}, sources[0]: setting outside its range: documents='lines'."),
    ("sources: [{name: a, text: b}, {name: a, text: c}]", "sources of one name: {} has 'a' twice."),
])  # fmt: skip
def test_source_list_that_is_wrong_is_named(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_source_list(path)
    assert said.format(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_source_list_stands_alone() -> None:
    assert is_source_list(["sources.YML"])
    assert not is_source_list(["a.txt", "b.txt"])
    with pytest.raises(UserError, match=r"a list of sources beside other text: s\.yaml\."):
        is_source_list(["a.txt", "s.yaml"])
