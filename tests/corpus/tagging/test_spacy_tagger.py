"""spaCy pipelines as taggers: a tiny one made here, and the real one where it is at hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from places import SHARED_DATA
from tidemask.corpus.tagging.spacy_tagger import SpacyTagger
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS, UPOS

spacy = pytest.importorskip("spacy")

REAL_PIPELINE = SHARED_DATA / "models/en_ud_tagger"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("attribute_ruler")
    for words, tag in (("the a", "DET"), ("cat moon", "NOUN"), ("saw", "VERB"), ("and", "CONJ")):
        ruler.add([[{"LOWER": word}] for word in words.split()], {"POS": tag})
    nlp.add_pipe("sentencizer")
    directory = tmp_path_factory.mktemp("pipelines") / "tiny"
    nlp.to_disk(directory)
    return directory


def words_and_tags(text: str, tagged: TaggedWords) -> list[tuple[str, str]]:
    return [
        (text[start:end], "-" if index == NO_CLASS else UPOS[index])
        for start, end, index in zip(tagged.starts, tagged.ends, tagged.classes, strict=True)
    ]


@pytest.mark.slow
def test_words_carry_the_pipelines_tags_at_their_offsets(pipeline: Path) -> None:
    tagger = load_tagger(f"spacy:{pipeline}")
    assert tagger is not None
    text = "  The cat\n\n saw  the moon and a bird."
    expected = "The/DET cat/NOUN saw/VERB the/DET moon/NOUN and/CCONJ a/DET bird/- ./-"
    (tagged,) = tagger.tag([text])
    assert " ".join(f"{word}/{tag}" for word, tag in words_and_tags(text, tagged)) == expected


def test_texts_without_words_have_none(pipeline: Path) -> None:
    empty, blank, word = SpacyTagger(str(pipeline)).tag(["", " \n ", "cat"])
    assert (len(empty.starts), len(blank.starts), len(word.starts)) == (0, 0, 1)


@pytest.mark.slow
def test_a_text_longer_than_spacys_limit_is_tagged_whole(pipeline: Path) -> None:
    text = "the cat saw the moon\n" * 50_000
    assert len(text) > spacy.blank("en").max_length
    (tagged,) = SpacyTagger(str(pipeline)).tag([text])
    assert len(tagged.starts) == 250_000
    assert text[tagged.starts[-1] : tagged.ends[-1]] == "moon"


def test_components_that_tagging_does_not_need_are_switched_off(pipeline: Path) -> None:
    tagger = SpacyTagger(str(pipeline))
    assert tagger._nlp.pipe_names == ["attribute_ruler"]


@pytest.mark.slow
def test_fingerprint_changes_with_the_pipelines_configuration(pipeline: Path) -> None:
    before = SpacyTagger(str(pipeline)).fingerprint
    assert SpacyTagger(str(pipeline)).fingerprint == before
    config = pipeline / "config.cfg"
    original = config.read_text(encoding="utf-8")
    config.write_text(original + "\n# another\n", encoding="utf-8")
    try:
        assert SpacyTagger(str(pipeline)).fingerprint != before
    finally:
        config.write_text(original, encoding="utf-8")


@pytest.mark.slow
def test_a_pipeline_without_parts_of_speech_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(UserError, match="pipeline without parts of speech"):
        SpacyTagger(str(tmp_path / "blank"))


@pytest.mark.parametrize("missing", ["no_such_pipeline", "directory"])
def test_a_pipeline_that_does_not_exist_is_named(tmp_path: Path, missing: str) -> None:
    name = str(tmp_path) if missing == "directory" else missing
    with pytest.raises(UserError, match="no such spaCy pipeline") as raised:
        SpacyTagger(name)
    assert name in str(raised.value)


def test_missing_spacy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(UserError, match=r"pip install 'tidemask\[spacy\]'"):
        SpacyTagger("en_core_web_sm")


@pytest.mark.slow
@pytest.mark.skipif(not REAL_PIPELINE.is_dir(), reason=f"no pipeline at {REAL_PIPELINE}")
def test_a_real_pipeline_tags_a_sentence() -> None:
    text = "The old man has seen three boats, and Mary laughed."
    (tagged,) = SpacyTagger(str(REAL_PIPELINE)).tag([text])
    expected = "DET ADJ NOUN AUX VERB NUM NOUN PUNCT CCONJ PROPN VERB PUNCT"
    assert [tag for _, tag in words_and_tags(text, tagged)] == expected.split()
