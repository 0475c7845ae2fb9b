"""Whether text is English, for a tagger that knows no other language.

An English tagger gives every word of any language a tag, most often noun. So a sample of the
documents is looked at: text is English where the share of its words that the embedded lexicon has,
plus twice the share that are English function words, is `MIN_SCORE` or more. Words that begin with
a capital are left out, for names are of any language and new ones are tagged rightly; so is text
with fewer than `MIN_WORDS` others. Text in letters of another script is not English, however short.

Measured: documents of EWT and GUM (test) have 1.34 to 2.4; of the texts in the tests of this module
chat in abbreviations 1.23, a biomedical abstract 1.18, Middle English 1.61; Italian 0.62, Dutch
0.58, German 0.54, French 0.46, Turkish 0.08.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tidemask.corpus.tagging.nltk_tagger import NltkTagger
from tidemask.corpus.tagging.textblob_tagger import WORD, TextBlobTagger
from tidemask.corpus.tagging.upos_rules import CLOSED_CLASS
from tidemask.errors import UserError

MIN_SCORE = 0.85
"""Of English text: known words as a share of all, plus twice the function words as a share."""

MIN_WORDS = 20
"""Words below which text in Latin letters is not judged."""

NOTED_SHARE = 0.05
"""Share of the documents that are not English from which on it is remarked on."""

_SAMPLED_DOCUMENTS = 512
_SAMPLED_CHARACTERS = 2_000
_SHOWN_WORDS = 4


@dataclass
class WordCounts:
    """Counts of one text or of several.

    Attributes:
        words: that do not begin with a capital.
        known: those of them that the lexicon has.
        function: those of them that are English function words.
        letters: of any script.
        latin: letters of the Latin script.
    """

    words: int = 0
    known: int = 0
    function: int = 0
    letters: int = 0
    latin: int = 0

    def add(self, other: WordCounts) -> None:
        """Add those of another text."""
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)

    @property
    def is_english(self) -> bool | None:
        """Whether the text is English; `None` where it is too short to say."""
        if self.letters and 2 * self.latin < self.letters:
            return False
        if self.words < MIN_WORDS:
            return None
        return self.known + 2 * self.function >= MIN_SCORE * self.words


def english_check(tagger: object) -> EnglishCheck | None:
    """The check of a text's language, for a tagger that knows English alone."""
    if isinstance(tagger, TextBlobTagger) and tagger.name == "textblob":
        return EnglishCheck(tagger)
    if isinstance(tagger, NltkTagger) and tagger.name == "nltk":
        return EnglishCheck(TextBlobTagger(), tagger.name)
    return None


class EnglishCheck:
    """Looks at a sample of documents that depends on their texts alone, not on their order."""

    def __init__(self, lexicon: TextBlobTagger, tagger: str = "textblob") -> None:
        self._lexicon, self._tagger = lexicon, tagger
        self._sample: list[tuple[int, str, str]] = []
        self._notes: list[str] | None = None

    def see(self, text: str, source: str) -> None:
        """Take note of a document, unless all were judged before."""
        if self._notes is None:
            middle = max(0, len(text) - _SAMPLED_CHARACTERS) // 2
            part = text[middle : middle + _SAMPLED_CHARACTERS]
            entry = (-zlib.crc32(part.encode("utf-8", "replace")), part, source)
            if len(self._sample) < _SAMPLED_DOCUMENTS:
                heapq.heappush(self._sample, entry)
            else:
                heapq.heappushpop(self._sample, entry)

    def judge(self) -> Sequence[str]:
        """What a user should know, when all documents were seen; the same when called again.

        Raises:
            UserError: the text, or most of its documents, is not English.
        """
        if self._notes is None:
            self._notes = list(self._judged())
            self._sample = []
        return self._notes

    def _judged(self) -> Iterator[str]:
        total, foreign, num_judged = WordCounts(), list[tuple[str, str]](), 0
        for _, text, source in sorted(self._sample):
            counts = self.counted(text)
            total.add(counts)
            if counts.is_english is not None:
                num_judged += 1
                if not counts.is_english:
                    foreign.append((text, source))
        if total.is_english is False or 2 * len(foreign) > max(1, num_judged):
            raise self._refusal(foreign or [(text, source) for _, text, source in self._sample])
        if len(foreign) >= NOTED_SHARE * max(1, num_judged) and foreign:
            yield (
                f"{len(foreign) / num_judged:.0%} of a sample of {num_judged:,} documents are not "
                f"English, such as one of {foreign[0][1]}. The tagger {self._tagger} knows English "
                "alone: classes of other text are guesses."
            )

    def counted(self, text: str) -> WordCounts:
        """The counts of a text."""
        counts = WordCounts()
        for word in WORD.findall(text):
            if not word.isalpha():
                continue
            counts.letters += len(word)
            counts.latin += len(word) if word[0] < "\u0250" else 0  # the end of Latin Extended-B
            if not word[0].isupper():
                counts.words += 1
                counts.known += self._lexicon.knows(word)
                counts.function += word in CLOSED_CLASS
        return counts

    def _refusal(self, foreign: Iterable[tuple[str, str]]) -> UserError:
        text, source = next(iter(foreign))
        words = (word for word in WORD.findall(text) if word.isalpha())
        unknown = (word for word in words if not self._lexicon.knows(word))
        shown = ", ".join(repr(word[:20]) for word in islice(unknown, _SHOWN_WORDS))
        return UserError(
            f"text that is not English: the tagger {self._tagger}, which knows English alone, does "
            f"not know most of its words, such as {shown} of {source}. Expected English. Use "
            "--tagger none, a tagger of the language (spacy:PIPELINE, stanza:LANGUAGE), or tags "
            f"that the input has (conllu, column); or {self._tagger}:unchecked if it is English "
            "all the same."
        )
