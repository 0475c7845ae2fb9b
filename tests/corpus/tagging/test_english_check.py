"""The embedded tagger refuses text that is not English, and takes odd English."""

from __future__ import annotations

import random
from pathlib import Path

import nltk
import pytest

from cases import all_cases
from places import SHARED_DATA
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.tagging.english_check import MIN_SCORE, EnglishCheck
from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger
from tidemask.errors import UserError

TAGGER = TextBlobTagger()

FOREIGN = {
    "German": "Der alte Mann ging langsam durch den Wald und suchte nach Pilzen. Es war ein "
    "kalter Morgen, und der Nebel lag noch in den Tälern. Er hatte die Zeit "
    "vergessen, als es dunkel war.",
    "French": "Le vieil homme marchait dans la forêt et cherchait des champignons. C'était un "
    "matin froid, et le brouillard couvrait encore les champs. Il avait oublié "
    "l'heure en chemin.",
    "Italian": "Il vecchio camminava piano nel bosco e cercava i funghi. Era una mattina "
    "fredda e la nebbia copriva ancora i campi, ma lui non aveva fretta e non "
    "pensava a niente.",
    "Dutch": "De oude man liep langzaam door het bos en zocht naar paddenstoelen. Het was "
    "een koude morgen en de mist lag nog over het land, maar hij had alle tijd van "
    "de wereld.",
    "Turkish": "yaşlı adam ormanda yavaş yavaş yürüyor ve mantar arıyordu. soğuk bir sabahtı "
    "ve sis hâlâ tarlaların üzerindeydi. karısı ona çok kalmamasını söylemişti ama "
    "o unutmuştu.",
    "Vietnamese": "ông già đi chậm trong rừng và tìm nấm. đó là một buổi sáng lạnh và sương mù "
    "vẫn phủ trên cánh đồng. vợ ông đã dặn ông không ở lại lâu nhưng ông quên.",
    "Russian": "Ёжик шёл по лесу.",
    "Arabic": "ذهب الولد إلى السوق.",
    "Korean": "할머니가 국수를 끓이신다.",
    "Chinese": "我们今天去北京。",
    "Japanese": "東京でパンを買う。",
    "Thai": "แม่ซื้อผักที่ตลาด",
}
ODD = {
    "names": "Siobhan Okonkwo met Bhattacharya and Nguyen in Ouagadougou, where Kowalczyk "
    "and Szymborska had flown from Reykjavik. Then Adebayo called Papadopoulos, and "
    "Xiong Wei told Yamamoto that Tchaikovsky was with Djokovic at "
    "Thiruvananthapuram. They all saw Dvořák.",
    "a list of names": "Priya Raghunathan\nWojciech Kowalczyk\nNguyen Thi Minh\n" * 9,
    "chat": "lol u gonna come 2nite? idk bro im so tired rn haha. ngl that was fire fr fr. "
    "omg did u see that lmaooo. brb gotta grab smth to eat. pls dm me asap k thx "
    "bye. nah he aint comin tho. yall r wildin. tbh idc anymore jk luv ya, its the "
    "one i told you about.",
    "biomedical": "Cyclooxygenase inhibition attenuates lipopolysaccharide-induced "
    "neuroinflammation in murine microglia. Phosphorylation of kinases and "
    "upregulation of cytokines were quantified by immunoblotting. "
    "Immunohistochemistry revealed cytoplasmic colocalization of phosphorylated tau "
    "with ubiquitinated aggregates in hippocampal neurons of the treated mice.",
    "old": "Whilom, as olde stories tellen us, ther was a duc that highte Theseus; of "
    "Atthenes he was lord and governour, and in his tyme swich a conquerour, that "
    "gretter was ther noon under the sonne. 'Tis I, quoth he, whither goest thou, "
    "wench?",
    "numbers": "12.5 13.75 1,000 99 " * 20,
    "emoji": "😀 👍🏽 " * 20,
    "nothing": "",
}


def judged(*texts: str) -> list[str]:
    check = EnglishCheck(TAGGER)
    for number, text in enumerate(texts):
        check.see(text, f"text {number}")
    return list(check.judge())


@all_cases("language", FOREIGN)
def test_foreign_text_is_refused_with_its_words_and_what_to_do(language: str) -> None:
    with pytest.raises(UserError) as raised:
        judged(FOREIGN[language])
    message = str(raised.value)
    assert message.startswith("text that is not English: the tagger textblob")
    assert "of text 0" in message
    assert "--tagger none" in message
    assert "\n" not in message


@all_cases("kind", ODD)
def test_odd_english_is_not_refused(kind: str) -> None:
    assert judged(ODD[kind]) == []


def test_some_foreign_documents_among_english_ones_are_remarked_on() -> None:
    english = [f"{ODD['old']} {number}" for number in range(18)]
    (note,) = judged(*english, FOREIGN["German"], FOREIGN["Russian"])
    assert note.startswith("10% of a sample of 20 documents are not English, such as one of text 1")
    with pytest.raises(UserError):
        judged(*english, *(f"{FOREIGN['German']} {number}" for number in range(20)))


def test_verdict_does_not_depend_on_the_order_nor_on_how_often_it_is_asked() -> None:
    texts = [f"{text} {n}" for n in range(40) for text in (ODD["old"], FOREIGN["German"]) if n % 3]
    texts = texts[::2] * 2 + texts[1:12:4]
    shuffled = random.Random(3).sample(texts, len(texts))
    notes = [note.split(", such")[0] for order in (texts, shuffled) for note in judged(*order)]
    assert len(notes) == 2
    assert notes[0] == notes[1]
    check = EnglishCheck(TAGGER)
    check.see(ODD["old"], "a")
    assert check.judge() == check.judge() == []


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no shared data beside the checkout")
def test_english_treebanks_are_far_above_the_bound() -> None:
    """Each document by itself: the least of them is half as high again."""
    import lzma

    for name in ("en_ewt-ud-test", "en_gum-ud-test"):
        with lzma.open(SHARED_DATA / "pos" / f"{name}.conllu.xz", "rt", encoding="utf-8") as file:
            documents = file.read().split("# newdoc")[1:]
        for document in documents:
            lines = [line[9:] for line in document.splitlines() if line.startswith("# text = ")]
            counts = EnglishCheck(TAGGER).counted("\n".join(lines)[:2000])
            assert counts.is_english is not False
            if counts.is_english:
                assert counts.known + 2 * counts.function > 1.5 * MIN_SCORE * counts.words


@pytest.mark.parametrize(
    "tagger", ["textblob", "textblob:unchecked", "nltk", "nltk:unchecked", "none"]
)
def test_prepare_refuses_text_that_is_not_english(
    tagger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written then; another tagger takes it. NLTK's model is not on every machine."""
    monkeypatch.setattr(nltk, "pos_tag", lambda words: [(word, "NN") for word in words])
    documents = [Document(f"{FOREIGN['German']} {number}", "notes.txt") for number in range(4)]
    settings = PrepareSettings(tagger=tagger, vocab_size=200, held_out=0, workers=1)
    if tagger in ("textblob", "nltk"):
        with pytest.raises(UserError, match=f"not English: the tagger {tagger}, .*{tagger}:unch"):
            prepare_corpus(lambda: documents, out=tmp_path / "out", settings=settings)
        assert not (tmp_path / "out").exists()
    else:
        corpus = prepare_corpus(lambda: documents, out=tmp_path / "out", settings=settings)
        assert corpus.manifest.tagger == tagger
