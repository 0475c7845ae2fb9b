"""Text to a prepared corpus: the function that the command calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tidemask.corpus.given_text import given_text
from tidemask.corpus.preparation import TO_SAVE_MEMORY, prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.splitting.survey import Deduplicate
from tidemask.corpus.store.corpus import (
    PreparedCorpus,
)
from tidemask.corpus.tokenizing.wanted_entries import wanted_entries
from tidemask.corpus.units import Unit
from tidemask.corpus.words.boundaries import WordRule
from tidemask.errors import UserError
from tidemask.files.atomic import check_new_directory
from tidemask.files.paths import given_path, one_or_several
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.settings import shown
from tidemask.system_errors import named_causes


@named_causes(TO_SAVE_MEMORY)
def prepare(
    text: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    tokenizer: str | Path | None = None,
    extend_vocabulary: int | str | Path | None = None,
    tokenizer_kind: str | None = None,
    vocab_size: int | None = None,
    normalization: str | None = None,
    lowercase: bool = False,
    strip_accents: bool | None = None,
    tagger: str | None = "textblob",
    words: WordRule = "auto",
    check_tags: str | Path | None = None,
    sequence_length: int = 128,
    held_out: float | None = None,
    held_out_text: str | Path | Sequence[str | Path] | None = None,
    deduplicate: Deduplicate = "exact",
    duplicate_threshold: float = PrepareSettings.duplicate_threshold,
    duplicate_unit: Unit = "word",
    text_field: str = "text",
    documents: str = "auto",
    keep: str | Sequence[str] = (),
    encoding: str = "utf-8",
    errors: Literal["strict", "replace"] = "strict",
    workers: int | None = None,
    engine: str = "local",
    progress: bool | ProgressDisplay = True,
) -> PreparedCorpus:
    r"""Turn text files into a prepared corpus: tokenised, tagged, aligned and packed.

    The same as `tidemask prepare`.

    Args:
        text: files, directories or globs; `-` for standard input; `hf:NAME[:CONFIG][:SPLIT]` for
            a data set of the hub. Files are text (.txt), Markdown (.md), JSON Lines (.jsonl,
            .ndjson, .json), tables (.csv, .tsv), Parquet or Arrow, or what `datasets` saved to a
            directory; all but the last three may be compressed (.gz, .xz, .bz2, .zst). Or a YAML
            file that lists sources with a number of passes for each.
        out: directory to be made.
        tokenizer: directory or hub name of a fast tokenizer; `None` trains one.
        extend_vocabulary: more entries for `tokenizer`: so many, those that shorten the training
            text most, or the words of a file, one a line. Old entries keep their ids.
        tokenizer_kind: of the tokenizer that is trained: "wordpiece" as BERT's (if left out),
            "bpe", byte-level as RoBERTa's and ModernBERT's, or "unigram" as XLM-R's.
        vocab_size: maximum entries of the tokenizer that is trained; 8192 if left out.
        normalization: Unicode form of text for the tokenizer that is trained: "nfc" (if left out),
            "nfkc" or "none".
        lowercase: whether the tokenizer that is trained makes capitals small letters.
        strip_accents: whether the tokenizer that is trained drops all combining marks; if left out
            it does so if it lower-cases, as bert-base-uncased does.
        tagger: "textblob" or "nltk" (English), "spacy:NAME_OR_PATH", "stanza:LANGUAGE", "conllu"
            or "column:TAG" for tags in the input, or "none" (or `None`) for no token classes.
        words: where the words that are masked whole come from: "tagger", "unicode", "whitespace",
            "tokenizer"; "auto" is the tagger where there is one, else the rules of Unicode.
        check_tags: a CoNLL-U file with gold tags; the tagger's accuracy on it is in the manifest.
        sequence_length: tokens of a row, special ones included.
        held_out: share of the words kept for evaluation, in whole documents; 0.05 if left out.
        held_out_text: files, directories or globs whose documents are kept for evaluation instead;
            copies of them are dropped from `text`.
        deduplicate: which copies are dropped: "exact", "near", "auto" or "none"; see
            `PrepareSettings`.
        duplicate_threshold: share of common shingles from which on texts are near copies.
        duplicate_unit: what shingles are runs of, "word" or "character".
        text_field: field of a record that has the text; a dotted path for nested ones.
        documents: what is a document of a text file: "blank-lines", "file", "line" or
            "separator=TEXT"; "auto" looks at the files and says what it chose. A record is one.
        keep: field of a record that is kept with its document, or several.
        encoding: of text files, of JSON Lines and of tables.
        errors: whether bytes that cannot be decoded, and NUL, are refused ("strict") or become
            U+FFFD and are counted ("replace").
        workers: processes; one per core if left out.
        engine: where they are: "local", on this machine, "ray", by a Ray that is started on it, or
            "ray:ADDRESS", on the machines of a cluster. The corpus is the same.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Raises:
        UserError: as `TextSources.find`, `TextSources` and `prepare_corpus`; a setting is
            outside its range, or both a tokenizer and settings of one to train are given.

    Example:
        >>> import tidemask
        >>> from pathlib import Path
        >>> _ = Path("text.txt").write_text("The fox saw the grapes.\n\nA dog sat by the sea.\n")
        >>> corpus = tidemask.prepare(
        ...     "text.txt", out="prepared", vocab_size=64, held_out=0, documents="blank-lines",
        ...     workers=1,
        ... )
        >>> corpus.manifest.train.num_documents, corpus.manifest.train.num_words
        (2, 13)
    """
    of_training: dict[str, Any] = {
        "tokenizer_kind": tokenizer_kind,
        "vocab_size": vocab_size,
        "normalization": normalization,
        "lowercase": lowercase or None,
        "strip_accents": strip_accents,
    }
    of_training = {name: value for name, value in of_training.items() if value is not None}
    if tokenizer is not None and of_training:
        given = ", ".join(f"{name}={shown(value)}" for name, value in of_training.items())
        raise UserError(
            f"both a tokenizer and settings of one to train: tokenizer={tokenizer}, {given}. "
            "Give one of them."
        )
    settings = PrepareSettings(
        tokenizer=str(tokenizer) if isinstance(tokenizer, Path) else tokenizer,
        extend_vocabulary=(
            str(extend_vocabulary) if isinstance(extend_vocabulary, Path) else extend_vocabulary
        ),
        **of_training,
        tagger="none" if tagger is None else tagger,
        words=words,
        sequence_length=sequence_length,
        held_out=_held_out_share(held_out, held_out_text),
        deduplicate=deduplicate,
        duplicate_threshold=duplicate_threshold,
        duplicate_unit=duplicate_unit,
        text_field=text_field,
        documents=documents,
        keep=tuple(one_or_several(keep, "keep", (str,), "the name of a field, or several")),
        encoding=encoding,
        errors=errors,
        workers=workers,
        engine=engine,
    )
    if settings.extend_vocabulary is not None:
        wanted_entries(settings.extend_vocabulary)  # before any text is read
    with displayed(progress) as display:
        check_new_directory(given_path(out, "out"))
        with given_text(text, held_out_text, settings) as found:
            return prepare_corpus(
                found.documents,
                out=out,
                settings=found.settings,
                sources=found.sources,
                source_notes=found.notes,
                check_tags=check_tags,
                on_progress=display.on_progress,
                on_note=display.on_note,
            )


def _held_out_share(share: float | None, text: object) -> float:
    """The share of the words to hold out; none where the held-out text is given."""
    if text is None:
        return PrepareSettings.held_out if share is None else share
    if share is not None:
        raise UserError(
            f"both a held-out share and a held-out text: held_out={share}, held_out_text={text}. "
            "Give one of them."
        )
    return 0.0
