"""`tidemask prepare`: text files to a prepared corpus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from tidemask.cli.options import EngineOption
from tidemask.cli.prepare_options import (
    CheckTagsOption,
    DeduplicateOption,
    DuplicateThresholdOption,
    DuplicateUnitOption,
    ExtendVocabularyOption,
    HeldOutOption,
    HeldOutTextOption,
    LowercaseOption,
    NormalizationOption,
    StripAccentsOption,
    TaggerOption,
    TokenizerKindOption,
    TokenizerOption,
    VocabSizeOption,
    WordsOption,
)
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, progress_display
from tidemask.cli.text_options import (
    DocumentsOption,
    EncodingOption,
    ErrorsOption,
    KeepOption,
    TextFieldOption,
)
from tidemask.errors import UserError

if TYPE_CHECKING:
    from tidemask.corpus.store.corpus import PreparedCorpus
    from tidemask.corpus.store.tag_accuracy import TagAccuracy


def prepare_command(
    context: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, directories or globs: text (.txt), Markdown (.md), JSON Lines (.jsonl, "
            ".ndjson, .json), tables (.csv, .tsv), Parquet, Arrow; compressed by .gz, .xz, .bz2 or "
            ".zst. Or - for standard input, hf:NAME[:CONFIG][:SPLIT] for a data set of the hub, a "
            "directory that `datasets` saved, or a list of sources (.yaml)."
        ),
    ] = None,
    *,
    out: Annotated[str, typer.Option("--out", metavar="PATH", help="Directory to be made.")],
    again: Annotated[
        str | None,
        typer.Option(
            "--again",
            metavar="CORPUS",
            help="Make a prepared corpus again, from the files and by the settings that its "
            "manifest names; files that are elsewhere now are given as text.",
        ),
    ] = None,
    text_field: TextFieldOption = "text",
    documents: DocumentsOption = "auto",
    keep: KeepOption = None,
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    tokenizer: TokenizerOption = None,
    extend_vocabulary: ExtendVocabularyOption = None,
    tokenizer_kind: TokenizerKindOption = None,
    vocab_size: VocabSizeOption = None,
    normalization: NormalizationOption = None,
    lowercase: LowercaseOption = False,
    strip_accents: StripAccentsOption = None,
    tagger: TaggerOption = "textblob",
    words: WordsOption = "auto",
    check_tags: CheckTagsOption = None,
    sequence_length: Annotated[
        int, typer.Option("--sequence-length", help="Tokens per sequence, special ones included.")
    ] = 128,
    held_out: HeldOutOption = None,
    held_out_text: HeldOutTextOption = None,
    deduplicate: DeduplicateOption = "exact",
    duplicate_threshold: DuplicateThresholdOption = 0.7,
    duplicate_unit: DuplicateUnitOption = "word",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; one per core if left out."),
    ] = None,
    engine: EngineOption = "local",
) -> None:
    """Turn text files into a prepared corpus: tokenised, tagged, aligned and packed."""
    from tidemask.corpus.again import prepare_again
    from tidemask.corpus.prepare import prepare

    if again is not None:
        _check_alone(context)
        with progress_display() as display:
            remade = prepare_again(
                again,
                out=out,
                text=text or (),
                workers=workers,
                engine=engine,
                progress=display,
            )
        _print_corpus(remade, out)
        return
    with progress_display() as display:
        corpus = prepare(
            text or (),
            out=out,
            tokenizer=tokenizer,
            extend_vocabulary=_number_or_file(extend_vocabulary),
            tokenizer_kind=tokenizer_kind,
            vocab_size=vocab_size,
            normalization=normalization,
            lowercase=lowercase,
            strip_accents=strip_accents,
            tagger=tagger,
            words=words,
            check_tags=check_tags,
            sequence_length=sequence_length,
            held_out=held_out,
            held_out_text=held_out_text,
            deduplicate=deduplicate,
            duplicate_threshold=duplicate_threshold,
            duplicate_unit=duplicate_unit,
            text_field=text_field,
            documents=documents,
            keep=keep or (),
            encoding=encoding,
            errors=errors,
            workers=workers,
            engine=engine,
            progress=display,
        )
    _print_corpus(corpus, out)


def _check_alone(context: typer.Context) -> None:
    """Refuse settings beside `--again`, which takes them from the corpus."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in context.params
        if name not in ("text", "out", "again", "workers", "engine")
        and getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    ]
    if given:
        raise UserError(
            f"settings beside --again: {', '.join(given)}. Expected none, as they are those of the "
            "corpus. Leave them out, or leave out --again."
        )


def _print_corpus(corpus: PreparedCorpus, out: str) -> None:
    from tidemask.corpus.store.corpus import DROPPED

    manifest = corpus.manifest
    rows = [
        [
            name,
            f"{n.num_documents:,}",
            f"{n.num_words:,}",
            f"{n.num_tokens:,}",
            f"{n.num_sequences:,}",
            "" if math.isnan(n.unknown_share) else f"{100 * n.unknown_share:.2f} %",
        ]
        for name, n in (("training", manifest.train), ("held-out", manifest.held_out))
    ]
    print_table(["split", "documents", "words", "tokens", "sequences", "unknown"], rows)
    print_line(
        f"{manifest.vocab_size:,} vocabulary entries, tagger {manifest.tagger}, "
        f"words of {manifest.words}"
    )
    if manifest.drops and any(manifest.drops.values()):
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in manifest.drops.items() if n)
        print_line(f"Documents left out, by reason: {reasons} ({corpus.root / DROPPED})")
    if manifest.tag_accuracy is not None:
        _print_accuracy(manifest.tag_accuracy, manifest.tagger)
    print_line(f"Corpus: {out}")


def _print_accuracy(found: TagAccuracy, tagger: str) -> None:
    rows = [
        [name, f"{n.num_words:,}", f"{100 * n.num_right / n.num_words:.1f} %"]
        for name, n in found.by_class.items()
    ]
    rows.append(["all", f"{found.num_words:,}", f"{100 * found.accuracy:.1f} %"])
    print_table(["gold class", "words", "right"], rows)
    print_line(
        f"{tagger} on {found.source}: {100 * found.accuracy:.1f} % of the words have their gold "
        f"class, {100 * found.kind_accuracy:.1f} % are rightly content or function words"
    )


def _number_or_file(given: str | None) -> int | str | None:
    """A number if it is one, else the name of a file."""
    return int(given) if given is not None and given.isascii() and given.isdigit() else given
