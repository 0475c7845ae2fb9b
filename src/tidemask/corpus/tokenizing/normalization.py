"""What a tokenizer that is trained makes of letters before it cuts them: form, case and accents.

Unicode writes `é` as one character or as two. The form NFC makes both the first, and loses nothing;
NFKC also makes `ﬁ` two letters and full-width letters plain ones. By default case and accents stay:
für is not fur, が is not か, and the vowel signs of Hindi or Thai are letters of their words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tokenizers import Regex, normalizers

UnicodeForm = Literal["nfc", "nfkc", "none"]

_FORMS = {"nfc": normalizers.NFC, "nfkc": normalizers.NFKC}

_UNSEEN = r"[\p{Cc}\p{Cf}&&[^\s\x{200b}-\x{200d}]]"
"""Control and format characters, such as byte-order marks and soft hyphens; not white space, nor
the joiners of Persian, Indic scripts and emoji, nor the zero-width space between words."""


@dataclass(frozen=True, kw_only=True)
class TextNormalization:
    """How text is normalised for a tokenizer that is trained.

    Attributes:
        form: Unicode normalisation form, "nfc", "nfkc" or "none".
        lowercase: whether capitals become small letters.
        strip_accents: whether all combining marks are dropped after a decomposition, as
            bert-base-uncased does. In scripts that write vowels as marks it drops the vowels.
    """

    form: UnicodeForm = "nfc"
    lowercase: bool = False
    strip_accents: bool = False

    @property
    def is_uncased_bert(self) -> bool:
        """Whether it is what bert-base-uncased does; a decomposition undoes NFC before it."""
        return self.lowercase and self.strip_accents and self.form == "nfc"

    def of_letters(self) -> list[normalizers.Normalizer]:
        """The steps that change letters, in their order."""
        steps: list[normalizers.Normalizer] = []
        if self.form in _FORMS:
            steps.append(_FORMS[self.form]())
        if self.lowercase:
            steps.append(normalizers.Lowercase())
        if self.strip_accents:
            steps += [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
        return steps


def without_unseen() -> normalizers.Normalizer:
    """Drops control and format characters that stand for nothing in text."""
    return normalizers.Replace(Regex(_UNSEEN), "")


def plain_spaces() -> list[normalizers.Normalizer]:
    """White space of any kind and length to one space, none at the ends of a text."""
    spaces = Regex(r"[\s\x{200b}]{2,}|[\s\x{200b}&&[^ ]]")
    return [normalizers.Replace(spaces, " "), normalizers.Strip()]
