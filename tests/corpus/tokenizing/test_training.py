"""Tokenizers of each kind that is trained: what they keep of text, and that they stay the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from cases import all_cases
from child_processes import HUNG_SECONDS
from prose import text
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.tasks.tagging.features import WordTokenizer
from tidemask.tasks.zero_shot.masked_text import masked_text_ids
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer
from trained_tokenizer import train_tokenizer

SENTENCES = (
    "Die Mädchen gehen für fünf Euro über die Straße.",
    "Les élèves ont déjà mangé à la forêt.",
    "Дети всё ещё играют у реки, и мой брат тоже.",
    "Çocuklar bugün ırmağın kıyısında güneşi gördü.",
    "يَلْعَبُ الأطفالُ قربَ النهرِ كلَّ يوم.",
    "बच्चे नदी के किनारे खेलते हैं और में म नहीं।",
    "아이들이 강가에서 매일 놀고 있다.",
    "孩子们每天在河边玩耍。",
    "こどもたちは かぎ と かき を もって かわへ いく。",
    "เด็ก ๆ เล่น อยู่ ริม แม่น้ำ ทุก วัน",
    "بچه‌ها هر روز کنار رود می‌دوند.",
    "ban bán bàn bản bạn ma má mà mả mã mạ",
    "ខ្ញុំ\u200bរៀន\u200bភាសា\u200bខ្មែរ។",
)
UNSPACED = "かはしかがパンダてまだまだかぎまだかぎかぎパンダ" * 12 + "。"
NAMES = ("wordpiece", "bpe", "unigram")


@cache
def trained(kind: str, **settings: Any) -> CorpusTokenizer:
    if kind == "unigram":
        pytest.importorskip("sentencepiece")
    texts = [*text(6).splitlines(), *SENTENCES * 4, UNSPACED]
    settings = {"lowercase": False, "vocab_size": 1200, **settings}
    return train_tokenizer(texts, tokenizer_kind=kind, **settings)


def words_of(kind: str, sentence: str) -> list[str]:
    (encoded,) = trained(kind).encoder().encode([sentence])
    begins = [*encoded.starts[encoded.word_starts].tolist(), len(sentence)]
    found = [sentence[a:b].strip(" \u200b") for a, b in pairwise(begins)]
    return [word for word in found if word]


def words_by_hand(sentence: str, *, are_ideographs_words: bool) -> list[str]:
    """Runs of letters with their marks and joiners, and runs of what is neither."""
    words: list[str] = []
    kind = ""
    for character in sentence:
        category = unicodedata.category(character)
        if character.isspace() or character == "\u200b":
            kind = "space"
            continue
        is_ideograph = "IDEOGRAPH" in unicodedata.name(character, "")
        if category[0] == "M" or category == "Cf" or "\u1160" <= character <= "\u11ff":
            words[-1] += character
            continue
        now = "letter" if character.isalnum() else "mark"
        if now != kind or (is_ideograph and are_ideographs_words):
            words.append("")
        words[-1] += character
        kind = now
    return words


@pytest.mark.parametrize("kind", NAMES)
def test_trained_words_are_whole_in_every_language(kind: str) -> None:
    for form in ("NFC", "NFD"):
        for sentence in SENTENCES:
            written = unicodedata.normalize(form, sentence)
            expected = words_by_hand(written, are_ideographs_words=kind == "wordpiece")
            assert words_of(kind, written) == expected


@pytest.mark.parametrize("kind", NAMES)
def test_trained_letters_keep_case_accents_and_marks(kind: str) -> None:
    groups = ["für fur", "Für für", "かぎ かき", "में म", "ban bán bàn bản bạn", "Straße strasse"]
    encoder = trained(kind).encoder()
    for group in groups:
        ids = [tuple(found.ids.tolist()) for found in encoder.encode(group.split())]
        assert all(a != b for a, b in combinations(ids, 2)), group
    composed, decomposed = encoder.encode(["für é", unicodedata.normalize("NFD", "für é")])
    assert composed.ids.tolist() == decomposed.ids.tolist()


@pytest.mark.parametrize("kind", NAMES)
def test_trained_on_a_text_knows_all_of_it(kind: str) -> None:
    """Long runs of letters and text between zero-width spaces are not lost."""
    tokenizer = trained(kind)
    for encoded in tokenizer.encoder().encode([*SENTENCES, UNSPACED]):
        assert tokenizer.unknown_id not in encoded.ids


def test_trained_wordpiece_cuts_long_runs_before_no_mark() -> None:
    run = "e" + "ब\u093f" * 120
    cut = trained("wordpiece").tokenizer.backend_tokenizer.pre_tokenizer
    pieces = [piece for piece, _ in cut.pre_tokenize_str(run)]
    assert "".join(pieces) == run
    assert 2 < len(pieces) < 5
    assert all(len(piece) <= 100 for piece in pieces)
    assert all(unicodedata.category(piece[0])[0] != "M" for piece in pieces)


@given(st.text(max_size=30))
def test_trained_bpe_gives_any_text_again(written: str) -> None:
    tokenizer = trained("bpe").tokenizer
    ids = trained("bpe").encoder().encode([written])[0].ids.tolist()
    assert 3 not in ids
    decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert decoded == unicodedata.normalize("NFC", written)


@pytest.mark.parametrize("kind", NAMES)
def test_trained_tokenizers_are_those_of_auto_tokenizer(tmp_path: Path, kind: str) -> None:
    made = trained(kind)
    made.save(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for sentence in SENTENCES:
        ids = loaded(sentence)["input_ids"]
        inside = made.encoder().encode([sentence])[0].ids.tolist()
        assert ids == [made.begin_id, *inside, made.end_id]
    again = load_tokenizer(tmp_path)
    assert again.fingerprint == made.fingerprint
    assert again.named_special_ids == made.named_special_ids
    assert again.vocab_size == made.vocab_size <= 1200


@all_cases(
    ("kind", "names", "pair"),
    [
        ("wordpiece", "[PAD] [UNK] [CLS] [SEP] [MASK]", "[CLS] a [SEP] a [SEP]"),
        ("bpe", "<s> <pad> </s> <unk> <mask>", "<s> a </s> </s> a </s>"),
        ("unigram", "<s> <pad> </s> <unk> <mask>", "<s> a </s> </s> a </s>"),
    ],
)
def test_trained_special_tokens_are_those_of_the_field(kind: str, names: str, pair: str) -> None:
    tokenizer = trained(kind).tokenizer
    assert tokenizer.convert_ids_to_tokens(range(5)) == names.split()
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
    encoded = tokenizer("a", "a")["input_ids"]
    spelled = [token.strip("▁") for token in tokenizer.convert_ids_to_tokens(encoded)]
    assert " ".join(spelled).split() == pair.split()


@pytest.mark.parametrize("kind", NAMES)
def test_trained_tokenizers_fill_score_and_tag_as_running_text(kind: str) -> None:
    tokenizer = trained(kind).tokenizer
    sentence = "She follows the river."
    running = trained(kind).encoder().encode([sentence])[0].ids.tolist()
    spelled = [token.strip("Ġ▁") for token in tokenizer.convert_ids_to_tokens(running)]
    masked = [4 if s == "the" else i for i, s in zip(running, spelled, strict=True)]
    assert masked.count(4) == 1
    assert masked_text_ids(tokenizer, "She follows <mask> river.") == masked
    [scored] = ScoringTokenizer(tokenizer).encode([sentence])
    assert scored.targets.tolist() == running
    words = WordTokenizer.of(tokenizer).subwords([["She", "follows", "the", "river"]])
    assert [token for [*parts] in words for word in parts for token in word] == running[:-1]


def test_trained_mask_takes_the_space_before_it_where_a_word_does() -> None:
    tokenizer = trained("bpe").tokenizer
    ids = tokenizer("the <mask> river", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[0::2] == ["the", "Ġriver"]


# --- settings


@pytest.mark.parametrize("kind", NAMES)
def test_trained_normalisation_is_a_setting(kind: str) -> None:
    def spelled(written: str, **settings: Any) -> str:
        tokenizer = trained(kind, **settings)
        tokens = tokenizer.tokenizer.tokenize(written)
        return tokenizer.tokenizer.convert_tokens_to_string(tokens).replace(" ", "")

    assert spelled("Mädchen", lowercase=True) == "madchen"
    assert spelled("Mädchen", lowercase=True, strip_accents=False) == "mädchen"
    assert spelled("Mädchen", strip_accents=True) == "Madchen"
    assert spelled("Ｍädchen", normalization="nfkc") == "Mädchen"
    decomposed = unicodedata.normalize("NFD", "für")
    ids = [
        trained(kind, normalization="none").encoder().encode([written])[0].ids.tolist()
        for written in ("für", decomposed)
    ]
    assert ids[0] != ids[1]


def test_trained_uncased_wordpiece_is_that_of_earlier_versions() -> None:
    """To the byte: the fingerprint is what version 0.1.0 gave these texts."""
    tokenizer = train_tokenizer(text(8).splitlines(), vocab_size=200, lowercase=True)
    assert tokenizer.fingerprint == (
        "47bf76f19c94fa9d811ef93c5fd9459f7c7f6ee0af219b5c5d2940d46fa188fe"
    )


@all_cases(
    ("settings", "message"),
    [
        ({"tokenizer_kind": "bpe", "vocab_size": 260}, "vocab_size=260. Expected"),
        ({"tokenizer_kind": "wordpiece", "vocab_size": 63}, "vocab_size=63. Expected"),
        ({"tokenizer_kind": "spm"}, "tokenizer_kind='spm'. Expected"),
        ({"normalization": "nfd"}, "normalization='nfd'. Expected"),
        ({"strip_accents": "yes"}, "strip_accents='yes'. Expected"),
    ],
)
def test_training_refuses_settings_outside_their_range(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        PrepareSettings(**settings)


def test_training_unigram_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UserError, match=r"pip install 'tidemask\[unigram\]'"):
        train_tokenizer(["a"], vocab_size=100, tokenizer_kind="unigram")


# --- the same every time

_HASHES = """
import hashlib, sys
from tidemask.corpus.tokenizing.extension import extended
from trained_tokenizer import train_tokenizer
texts = sys.stdin.read().splitlines()
for kind in sys.argv[1:]:
    made = train_tokenizer(texts[::2], vocab_size=300, tokenizer_kind=kind)
    print(made.fingerprint, extended(made, lambda: texts, 40, "x").tokenizer.fingerprint)
"""


@pytest.mark.slow
def test_training_and_extension_are_the_same_in_other_processes_and_with_other_threads() -> None:
    pytest.importorskip("sentencepiece")
    tied = [" ".join(word[i:] + word[:i] for i in range(len(word))) for word in text(3).split()]
    places = [str(Path(__file__).parents[2] / "support"), *sys.path]

    def hashes(seed: int, threads: int) -> Sequence[str]:
        variables = {
            "PYTHONHASHSEED": str(seed),
            "RAYON_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "true",
            "PYTHONPATH": ":".join(places),
        }
        ran = subprocess.run(
            [sys.executable, "-c", _HASHES, *NAMES],
            input="\n".join(tied),
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=HUNG_SECONDS,
        )
        return ran.stdout.split()

    found = [hashes(seed, threads) for seed, threads in ((0, 1), (1, 2), (2, 4))]
    assert len(found[0]) == 2 * len(NAMES)
    assert found[0] == found[1] == found[2]


def test_training_depends_on_the_texts_and_not_on_hashing() -> None:
    texts = text(4).splitlines()
    for kind in ("wordpiece", "bpe"):
        first, again, other = (
            hashlib.sha256(
                train_tokenizer(some, vocab_size=300, tokenizer_kind=kind).fingerprint.encode()
            ).hexdigest()
            for some in (texts, texts, texts[1:])
        )
        assert first == again != other
