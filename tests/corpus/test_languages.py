"""Ten languages through preparation: letters and marks survive, words are words, none is lost."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.rows_unmasked import RowsUnmasked
from tidemask.corpus.text_encoding import encode_texts
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.words.boundaries import unicode_words
from tidemask.token_classes import NO_CLASS
from tokenizer_kinds import KINDS, tokenizer_of

# Sentences of our own; `|` stands between the words by the rule, and a space is a space.
LANGUAGES = {
    "German": [
        "Die| Äpfel| fielen| über| den| Zaun|,| und| Jürgen| aß| drei| davon|.",
        "Für| Größe| 38,5| hätten| wir| noch| rote| Schuhe|.",
    ],
    "French": [
        "L'été| dernier|,| nous| avons| mangé| des| crêpes| à| Honfleur|.",
        "Où| est| la| clé| du| garçon| ?| Peut|-|être| sous| le| chêne|.",
    ],
    "Russian": [
        "Ёжик| шёл| по| тёмному| лесу| и| нёс| яблоко|.",
        "Мой| брат| живёт| в| Туле| и| чинит| велосипеды|.",
    ],
    "Turkish": [
        "İstanbul'da| yağmur| yağıyor|,| çocuklar| içeride| oynuyor|.",
        "Işıklar| söndü| ve| gölün| üstü| karardı|.",
    ],
    "Arabic": [
        "ذَهَبَ| الوَلَدُ| إِلى| السُّوقِ| صَباحًا|.",
        "اشترت| مريم| خبزا| وجبنا| من| الدكان|.",
    ],
    "Hindi": [
        "लड़की| ने| पेड़| के| नीचे| किताब| पढ़ी|।",
        "हम| कल| नदी| के| किनारे| खिचड़ी| खाएँगे|।",
    ],
    "Korean": [
        "할머니가| 부엌에서| 국수를| 끓이신다|.",
        "바람이| 불어서| 창문이| 흔들렸다|.",
    ],
    "Chinese": [
        "我们|今天|去|北京|看|朋友|。",
        "今天|天气|很好|，|我们|去|公园|。",
    ],
    "Japanese": [
        "猫|が|屋根|の|上|に|いる|。",
        "東京|で|パン|を|買う|。",
    ],
    "Thai": [
        "แม่|ซื้อ|ผัก|ที่|ตลาด",
        "นักเรียน|อ่าน|หนังสือ|ใน|บ้าน",
    ],
}
WORDS = {
    language: [[word.strip(" ") for word in line.split("|")] for line in lines]
    for language, lines in LANGUAGES.items()
}
TEXTS = {
    language: [line.replace("|", "") for line in lines] for language, lines in LANGUAGES.items()
}


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("byte-level")
    template = ("<s> $A </s>", "<s> $A </s> $B </s>")
    tokenizer_of("byte-level", template=template).save_pretrained(directory)
    return directory


def prepared(texts: list[str], out: Path, **changes: Any) -> PreparedCorpus:
    settings = PrepareSettings(tagger="none", held_out=0, workers=1, sequence_length=512, **changes)
    return prepare_corpus(
        lambda: [Document(text, "ours") for text in texts], out=out, settings=settings
    )


def words_of(corpus: PreparedCorpus, tokenizer: Any) -> list[str]:
    """The words of the only row, from the ids and where words start."""
    rows = corpus.train.rows(range(len(corpus.train)))
    assert len(rows.length) == 1
    end = int(rows.length[0])
    ids, starts = rows.input_ids[0, :end].tolist(), rows.word_start[0, :end]
    specials = [place for place, token in enumerate(ids) if token in tokenizer.all_special_ids]
    bounds = sorted({*np.flatnonzero(starts).tolist(), *specials, end})
    groups = [ids[a:b] for a, b in pairwise(bounds)]
    assert (rows.token_class == NO_CLASS).all()
    decoded = (tokenizer.decode(group, skip_special_tokens=True).strip() for group in groups)
    return [word for word in decoded if word]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_words_are_those_of_the_rule(
    language: str, form: str, byte_level: Path, tmp_path: Path
) -> None:
    """With a tokenizer of bytes that cuts at every mark; each letter and mark is there."""
    texts = [unicodedata.normalize(form, text) for text in TEXTS[language]]
    corpus = prepared(texts, tmp_path / "corpus", tokenizer=str(byte_level))
    expected = [unicodedata.normalize(form, word) for line in WORDS[language] for word in line]
    assert words_of(corpus, tokenizer_of("byte-level")) == expected
    assert corpus.manifest.train.num_words == len(expected)
    assert corpus.manifest.train.num_documents == len(texts)
    assert corpus.manifest.words == "unicode"
    assert corpus.manifest.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_languages_words_are_whole_with_each_tokenizer(kind: str) -> None:
    """Tokens of one word are one unit, whatever the pre-tokenizer cuts; all tokens are in one."""
    encoder = CorpusTokenizer(tokenizer_of(kind)).encoder()
    for language, texts in TEXTS.items():
        for text, words in zip(texts, WORDS[language], strict=True):
            (document,) = encode_texts([text], encoder, None)
            (encoded,) = encoder.encode([text], [unicode_words(text)])
            begins, place = set(), 0
            for word in words:
                place = text.index(word, place)
                begins.add(place)
                place += len(word)
            starts = encoded.starts[encoded.word_starts].tolist()
            visible = {len(text) - len(text[start:].lstrip()) for start in starts}
            assert visible <= begins, (language, text)
            assert document.word_starts.tolist() == encoded.word_starts.tolist()


def test_languages_long_words_are_remarked_on(byte_level: Path, tmp_path: Path) -> None:
    """By white space a Japanese text is one word, so that nothing of most rows would be masked."""
    texts = [line * 30 for line in TEXTS["Japanese"]]
    settings: dict[str, Any] = {"tokenizer": str(byte_level), "sequence_length": 256}
    notes = []
    for words in ("whitespace", "unicode"):
        corpus = prepare_corpus(
            lambda: [Document(text, "ours") for text in texts],
            out=tmp_path / words,
            settings=PrepareSettings(tagger="none", held_out=0, workers=1, words=words, **settings),
        )
        notes.append(corpus.manifest.notes)
    assert notes[1] == ()
    (note,) = notes[0]
    assert note.startswith("Words are so long that 8")
    assert "They were cut by --words whitespace: try --words unicode (with dictionaries" in note
    assert "sequences of more than 256 tokens" in note


@pytest.mark.parametrize("rule", ["tagger", "unicode", "tokenizer"])
def test_languages_long_words_are_advised_another_rule_than_the_one_in_use(rule: str) -> None:
    """In rows of one word of eight tokens none is masked with the chance 0.85."""
    starts = np.zeros((5, 8), np.bool_)
    starts[:, 0] = True
    unmasked = RowsUnmasked()
    ids = np.ones((5, 8), np.uint16)
    unmasked.add(Rows(ids, starts, np.zeros((5, 8), np.uint8), np.full(5, 8, np.int32)))
    note = unmasked.note(rule)
    assert note is not None
    assert note.startswith("Words are so long that 85% of the sequences")
    before, _, advice = note.partition(": try ")
    assert before.endswith(f"--words {rule}")
    assert f"--words {rule}" not in advice
    assert ("--words unicode" in advice) == (rule != "unicode")
    assert ("--words tokenizer" in advice) == (rule != "tokenizer")
