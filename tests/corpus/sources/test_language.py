"""Sources in one language: what is kept of ten languages, what is listed, what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import tidemask
from cases import all_cases
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.language import LOOKED_AT_CHARACTERS, LanguageFilter
from tidemask.corpus.sources.mixture import Mixture
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.splitting.survey import Survey, surveyed
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.errors import UserError

pytest.importorskip("py3langid")

# Sentences of our own.
SENTENCES = {
    "de": ["Der Müller hat das Fenster nicht geschlossen, und nun ist das Mehl feucht.",
           "Gestern haben wir den Kuchen für Großmutter gebacken."],
    "fr": ["Le boulanger n'a pas fermé la fenêtre, et la farine est toute mouillée.",
           "Hier, nous avons préparé un gâteau pour la grand-mère."],
    "ru": ["Мельник не закрыл окно, и теперь вся мука отсырела.",
           "Вчера мы испекли пирог для бабушки, но она уехала в город."],
    "tr": ["Değirmenci pencereyi kapatmadı, şimdi bütün un ıslandı.",
           "Dün büyükannem için bir pasta yaptık, çok güzel oldu."],
    "ar": ["لم يغلق الطحان النافذة فابتل كل الدقيق في البيت.",
           "خبزنا أمس كعكة كبيرة لجدتي في القرية."],
    "hi": ["चक्कीवाले ने खिड़की बंद नहीं की और सारा आटा भीग गया।",
           "कल हमने दादी के लिए मिठाई बनाई थी।"],
    "ko": ["방앗간 주인이 창문을 닫지 않아서 밀가루가 모두 젖었다.",
           "어제 우리는 할머니를 위해 떡을 만들었다."],
    "zh": ["磨坊主没有关窗户，所以面粉都湿了。", "昨天我们给奶奶做了一个蛋糕。"],
    "ja": ["粉屋が窓を閉めなかったので、小麦粉がみんな湿ってしまった。",
           "昨日は祖母のためにケーキを焼きました。"],
    "th": ["คนโม่แป้งไม่ได้ปิดหน้าต่าง แป้งจึงเปียกหมด", "เมื่อวานเราทำขนมให้คุณยาย"],
}  # fmt: skip


def listed(directory: Path, *sources: str) -> Path:
    everything = [sentence for both in SENTENCES.values() for sentence in both]
    (directory / "all.txt").write_text("\n".join(everything), encoding="utf-8")
    path = directory / "sources.yaml"
    lines = [f"  - {{text: all.txt, documents: line, {source}}}\n" for source in sources]
    path.write_text(f"sources:\n{''.join(lines)}")
    return path


def prepared(directory: Path, *sources: str) -> PreparedCorpus:
    return tidemask.prepare(
        listed(directory, *sources), out=directory / "corpus", tagger="none", vocab_size=300,
        sequence_length=64, held_out=0, workers=1, progress=False,
    )  # fmt: skip


@pytest.mark.slow
@all_cases("language", list(SENTENCES))
def test_language_keeps_its_own_documents_among_those_of_ten(language: str) -> None:
    everything = [(code, one) for code, both in SENTENCES.items() for one in both]
    found = LanguageFilter(language, 0.5, "here")
    kept = [code for n, (code, one) in enumerate(everything) if found.keeps(n, one)]
    assert kept == [language] * 2


def test_language_documents_of_others_are_listed_with_the_reason(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, "name: german, language: de", "name: rest, min_words: 8")
    in_german = [{"source": "german"}] * 2
    fields = corpus.documents.table().column("fields").to_pylist()
    assert fields[:2] == in_german
    lines = [*map(json.loads, (corpus.root / "dropped.jsonl").read_text().splitlines())]
    others = [line for line in lines if line["reason"] == "another language"]
    assert [line["place"] for line in others] == list(range(3, 21))
    assert all(line.keys() == {"source", "place", "reason"} for line in others)
    # Those of the second source are no copies of what the first leaves out; two of them are of
    # German documents that it keeps.
    drops = corpus.manifest.drops
    assert drops is not None
    assert (drops["another language"], drops["copy"]) == (18, 2)
    assert corpus.manifest.train.num_documents == len(fields)
    assert len(fields) == 2 + 20 - 2 - drops["too short"]
    others = [code for code in SENTENCES if code != "de"]
    assert len(others) == 9
    (note,) = [note for note in corpus.manifest.notes if note.startswith("Documents of german")]
    begin, _, end = note.partition(" (found: ")
    assert begin == "Documents of german left out: 18 in another language than de"
    listed_languages = end.removesuffix(" and 4 more).").split(", ")
    assert len(listed_languages) == 5
    assert {one.split()[0] for one in listed_languages} < set(others)
    assert {one.split()[1] for one in listed_languages} == {"2"}


def test_language_is_looked_at_once_and_at_the_beginning(tmp_path: Path) -> None:
    found = LanguageFilter("de", 0.5, "here")
    mixed = SENTENCES["de"][0] * (LOOKED_AT_CHARACTERS // 40) + SENTENCES["fr"][0] * 900
    assert found.keeps(0, mixed)
    assert not found.keeps(1, SENTENCES["fr"][0])
    # When the stream comes again, what was found out of its texts holds.
    assert [found.keeps(number, SENTENCES["fr"][0]) for number in (0, 1)] == [True, False]
    assert not LanguageFilter("de", 1.0, "here").keeps(0, "Das Haus.")
    assert not LanguageFilter("de", 0.5, "here").keeps(0, "1234 5678")
    assert found.others == {"fr": 1}  # counted once


def test_language_of_documents_is_part_of_what_names_a_preparation(tmp_path: Path) -> None:
    """One that was interrupted is not gone on with under another threshold."""

    def digest(left_out: str) -> str:
        survey = Survey(tmp_path, held_out=0, deduplicate="exact", threshold=0.7, unit="word")
        documents = [Document("One.", "here"), Document("Two.", "here", left_out=left_out)]
        return surveyed(documents, survey).digest

    assert len({digest(""), digest("another language"), digest("too short")}) == 3


def test_language_that_is_unknown_or_cannot_be_told_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UserError, match=r"unknown language: language=ger of source a of .*sources"
    ) as caught:
        Mixture.find(listed(tmp_path, "name: a, language: ger"), TextSettings())
    assert "\n" not in str(caught.value)
    assert "the 140 that py3langid knows" in str(caught.value)
    with pytest.raises(UserError, match=r"language_threshold=1\.5\. Expected a number from 0 to 1"):
        Mixture.find(listed(tmp_path, "name: a, language_threshold: 1.5"), TextSettings())
    with pytest.raises(UserError, match=r'language=false, .* Write "no" for Norwegian'):
        Mixture.find(listed(tmp_path, "name: a, language: no"), TextSettings())
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    from tidemask.corpus.sources import language

    language._read_identifier.cache_clear()
    with pytest.raises(UserError, match=r"language: de of source a of .* needs py3langid, which"):
        Mixture.find(listed(tmp_path, "name: a, language: de"), TextSettings())
