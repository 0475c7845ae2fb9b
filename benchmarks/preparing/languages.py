"""What telling languages apart takes, and how often it is right: py3langid and lingua.

    python benchmarks/preparing/languages.py py3langid
    python benchmarks/preparing/languages.py lingua      # pip install lingua-language-detector

Sentences of our own, one guess each. Time is that of the processor for a sentence, in the mean of a
thousand guesses; memory is the most that the process had, less what it had before the library.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser
from benchmarks.preparing.reading import megabytes

SENTENCES = {
    "de": ["Die Äpfel fielen über den Zaun, und Jürgen aß drei davon.",
           "Für Größe 38,5 hätten wir noch rote Schuhe.",
           "Patient klagt seit gestern über Schmerzen im linken Knie.",
           "Der Zug hält heute nicht in Kassel."],
    "fr": ["L'été dernier, nous avons mangé des crêpes à Honfleur.",
           "Où est la clé du garçon ? Peut-être sous le chêne.",
           "Le train de midi a encore du retard.", "Ma tante garde les poules de la voisine."],
    "ru": ["Ёжик шёл по тёмному лесу и нёс яблоко.", "Мой брат живёт в Туле и чинит велосипеды.",
           "Поезд опоздал на два часа."],
    "tr": ["İstanbul'da yağmur yağıyor, çocuklar içeride oynuyor.",
           "Işıklar söndü ve gölün üstü karardı.", "Bugün pazardan elma aldık."],
    "ar": ["ذَهَبَ الوَلَدُ إِلى السُّوقِ صَباحًا.", "اشترت مريم خبزا وجبنا من الدكان.",
           "القطار لا يقف هنا اليوم."],
    "hi": ["लड़की ने पेड़ के नीचे किताब पढ़ी।", "हम कल नदी के किनारे खिचड़ी खाएँगे।"],
    "ko": ["할머니가 부엌에서 국수를 끓이신다.", "바람이 불어서 창문이 흔들렸다."],
    "zh": ["我们今天去北京看朋友。", "今天天气很好，我们去公园。"],
    "ja": ["猫が屋根の上にいる。", "東京でパンを買う。"],
    "th": ["วันนี้ฝนตกหนักมาก เราอยู่บ้าน", "แม่ซื้อปลาที่ตลาด"],
    "en": ["The apples fell over the fence, and Jim ate three of them.",
           "The train does not stop here today.", "My aunt looks after the neighbour's hens.",
           "Patient has had pain in the left knee since yesterday."],
    "es": ["Las manzanas cayeron al otro lado de la valla.", "El tren de hoy no para en Toledo."],
    "it": ["Le mele sono cadute oltre la siepe.", "Il treno oggi non si ferma a Pisa."],
    "nl": ["De appels vielen over het hek en Jan at er drie.",
           "De trein stopt vandaag niet in Delft."],
    "pl": ["Jabłka spadły za płot, a Jurek zjadł trzy.", "Pociąg dzisiaj nie staje w Łodzi."],
}  # fmt: skip


def py3langid() -> Callable[[str], str]:
    """A guess of py3langid, as sources in one language are found."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    classify = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).classify
    return lambda text: str(classify(text)[0])


def lingua() -> Callable[[str], str]:
    """A guess of lingua among all its languages."""
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().build()

    def guess(text: str) -> str:
        found = detector.detect_language_of(text)
        return "" if found is None else found.iso_code_639_1.name.lower()

    return guess


LIBRARIES = {"py3langid": py3langid, "lingua": lingua}


def measured(library: str, num_guesses: int = 1000) -> dict[str, float]:
    """Right guesses, all of them, milliseconds of a guess and megabytes."""
    before = megabytes()
    guess = LIBRARIES[library]()
    pairs = [(language, one) for language, both in SENTENCES.items() for one in both]
    right = sum(guess(sentence) == language for language, sentence in pairs)
    begun = time.process_time()
    for number in range(num_guesses):
        guess(f"{pairs[number % len(pairs)][1]} {number}")
    milliseconds = 1000 * (time.process_time() - begun) / num_guesses
    return {
        "right": right,
        "sentences": len(pairs),
        "milliseconds": milliseconds,
        "megabytes": megabytes() - before,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure one library and print it."""
    parser = OneLineParser(prog="languages.py", description="Telling languages apart.")
    parser.add_argument("library", choices=[*LIBRARIES])
    for name, value in measured(parser.parse_args(arguments).library).items():
        print(f"{name:>12} {value:.3g}")


if __name__ == "__main__":
    main(sys.argv[1:])
