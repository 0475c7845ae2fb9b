"""Options of `tidemask prepare` on tokenizer, words and tags, copies and held-out text."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

_TOKENIZER = "Tokenizer"
_WORDS = "Words and tags"
_SPLIT = "Copies and held-out text"
"""Groups of the options in `--help`."""

TokenizerOption = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        help="Directory or hub name of a fast tokenizer. Default: train one.",
        rich_help_panel=_TOKENIZER,
    ),
]

ExtendVocabularyOption = Annotated[
    str | None,
    typer.Option(
        "--extend-vocabulary",
        metavar="N|FILE",
        help="More entries for --tokenizer: the N that shorten the training text most, or the "
        "words of FILE, one a line.",
        rich_help_panel=_TOKENIZER,
    ),
]

TokenizerKindOption = Annotated[
    Literal["wordpiece", "bpe", "unigram"] | None,
    typer.Option(
        "--tokenizer-kind",
        metavar="KIND",
        help="What to train: wordpiece as BERT's (if left out), bpe, byte-level as RoBERTa's "
        "and ModernBERT's, or unigram as XLM-R's.",
        rich_help_panel=_TOKENIZER,
    ),
]

VocabSizeOption = Annotated[
    int | None,
    typer.Option(
        "--vocab-size",
        help="Maximum entries of the tokenizer to train; 8192 if left out.",
        rich_help_panel=_TOKENIZER,
    ),
]

NormalizationOption = Annotated[
    Literal["nfc", "nfkc", "none"] | None,
    typer.Option(
        "--normalization",
        metavar="FORM",
        help="Unicode form of text for the tokenizer to train: nfc (if left out), nfkc or none.",
        rich_help_panel=_TOKENIZER,
    ),
]

LowercaseOption = Annotated[
    bool,
    typer.Option(
        "--lowercase",
        help="Train a tokenizer that makes capitals small letters.",
        rich_help_panel=_TOKENIZER,
    ),
]

StripAccentsOption = Annotated[
    bool | None,
    typer.Option(
        "--strip-accents/--keep-accents",
        help="Whether the tokenizer to train drops all combining marks; if left out, only with "
        "--lowercase, as bert-base-uncased does.",
        show_default=False,
        rich_help_panel=_TOKENIZER,
    ),
]

TaggerOption = Annotated[
    str,
    typer.Option(
        "--tagger",
        help="textblob or nltk (English), spacy:NAME_OR_PATH, stanza:LANGUAGE, conllu or "
        "column:TAG for tags in the input, or none for no token classes.",
        rich_help_panel=_WORDS,
    ),
]

WordsOption = Annotated[
    Literal["auto", "tagger", "unicode", "whitespace", "tokenizer"],
    typer.Option(
        "--words",
        metavar="RULE",
        help="Where words come from, for whole-word masking: tagger, unicode, whitespace or "
        "tokenizer; auto is the tagger where there is one, else unicode.",
        rich_help_panel=_WORDS,
    ),
]

CheckTagsOption = Annotated[
    str | None,
    typer.Option(
        "--check-tags",
        metavar="GOLD.conllu",
        help="CoNLL-U file with gold tags: the tagger's accuracy on it is printed and kept.",
        rich_help_panel=_WORDS,
    ),
]

HeldOutOption = Annotated[
    float | None,
    typer.Option(
        "--held-out",
        help="Share of the words kept for evaluation, in whole documents; 0.05 if left out.",
        rich_help_panel=_SPLIT,
    ),
]

HeldOutTextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--held-out-text",
        metavar="FILES",
        help="Files, directories or globs that are kept for evaluation instead; repeat it for "
        "several. Copies of their documents are dropped from the training text.",
        rich_help_panel=_SPLIT,
    ),
]

DeduplicateOption = Annotated[
    Literal["exact", "near", "auto", "none"],
    typer.Option(
        "--deduplicate",
        metavar="HOW",
        help="Copies that are dropped: exact (of the same text), near (also much alike), auto "
        "(near among texts of 50 words or more), none.",
        rich_help_panel=_SPLIT,
    ),
]

DuplicateThresholdOption = Annotated[
    float,
    typer.Option(
        "--duplicate-threshold",
        help="Least share of common shingles (Jaccard index) with which texts are near copies.",
        rich_help_panel=_SPLIT,
    ),
]

DuplicateUnitOption = Annotated[
    Literal["word", "character"],
    typer.Option(
        "--duplicate-unit",
        metavar="UNIT",
        help="A shingle is five of these in a row: word (letters in scripts without spaces) or "
        "character.",
        rich_help_panel=_SPLIT,
    ),
]
