"""The guide on one's own corpus: its commands run on its own files, and its numbers hold."""

from __future__ import annotations

import dataclasses
import gzip
import io
import re
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from places import ROOT
from tidemask.corpus.sources import border_choice, borders, line_form
from tidemask.corpus.sources.formats import ENDINGS
from tidemask.corpus.sources.settings import BORDERS, SEPARATOR
from tidemask.corpus.sources.source_list import ListedSource, read_source_list
from tidemask.corpus.store.corpus import open_corpus
from tidemask.reading.compression import COMPRESSED

Command = Callable[..., tuple[int, str, str]]
TEXT = (ROOT / "docs/guides/your-own-corpus.md").read_text(encoding="utf-8")
TINY = ["model.size=bert-tiny", "training.max_steps=3", "training.micro_batch_size=2"]
QUICK = ["--tagger", "none", "--workers", "1", "--sequence-length", "32"]


@pytest.mark.slow
def test_guide_of_own_corpus_commands_run(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    *making_files, looking = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(compile("".join(making_files), "your-own-corpus.md", "exec"), {})
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    num_documents = {}
    for line in "".join(blocks).splitlines():
        if " | " in line:
            given = gzip.decompress(Path("news.jsonl.gz").read_bytes())
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        arguments = shlex.split(line.rpartition("tidemask ")[2])
        if arguments[0] == "pretrain":
            status, _, err = tidemask(*arguments, *TINY)
            assert status == 0, err
            assert "Epochs of each source in this run: notes " in err
            continue
        is_again = "--again" in arguments
        status, _, err = tidemask(*arguments, *(["--workers", "1"] if is_again else QUICK))
        if any(argument.startswith("hf:") for argument in arguments):
            assert (status, err.count("\n")) == (2, 1)
            assert "HF_HUB_OFFLINE is set" in err
            continue
        assert status == 0, err
        manifest = open_corpus(arguments[-1]).manifest
        num_documents[arguments[-1]] = (
            manifest.train.num_documents + manifest.held_out.num_documents
        )
    exec(compile(looking, "your-own-corpus.md", "exec"), {})
    assert num_documents.pop("mixed") >= 7
    assert num_documents.pop("both") in (3, 6)  # the same texts twice, which may be dropped
    assert num_documents == {
        "notes": 3, "pages-corpus": 3, "news": 3, "table": 3, "wards": 3, "by-line": 3,
        "by-mark": 3, "by-file": 3, "old": 4, "old-replaced": 4,
        "joined": 3, "plain-corpus": 3, "befunde": 3, "xinwen": 3, "near": 3,
        "all": 6, "third": 3, "tested": 5, "wards-again": 3,
    }  # fmt: skip


@pytest.mark.slow
def test_guide_of_tokenizers_makes_a_token_of_anonymisation_one(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("Frau [ANON] klagt.\nHerr [ANON] schweigt.\n")
    command = ["prepare", "notes.txt", "--documents", "line", "--held-out", "0", *QUICK, "--out"]
    assert tidemask(*command, "corpus")[0] == 0
    assert "Frau [ ANON ]" in tidemask("inspect", "corpus")[1].replace("·", "")
    guide = (ROOT / "docs/guides/tokenizers.md").read_text(encoding="utf-8")
    (adding,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    exec(compile(adding, "tokenizers.md", "exec"), {})
    status, _, err = tidemask(*command, "again", "--tokenizer", "with-anon")
    assert status == 0, err
    assert "Frau [ANON]" in tidemask("inspect", "again")[1].replace("·", "")
    manifest = open_corpus("again").manifest
    added = AutoTokenizer.from_pretrained("with-anon").convert_tokens_to_ids("[ANON]")
    assert added in manifest.special_ids["special tokens"]


@pytest.mark.slow
def test_guide_of_own_corpus_other_languages_keep_their_letters_and_words(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guide says of its German and its Chinese, by the rows that its commands made."""
    monkeypatch.chdir(tmp_path)
    making_files = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)[0]
    exec(compile(making_files, "your-own-corpus.md", "exec"), {})
    expected = {"befunde": ["Röntgenbild", "Schilddrüse", "Straße"], "xinwen": ["港口", "学校"]}
    for name, words in expected.items():
        line = next(line for line in TEXT.splitlines() if line.endswith(f"--out {name}"))
        arguments = shlex.split(line)[1:]
        status, _, err = tidemask(*arguments, "--workers", "1", "--held-out", "0")
        assert status == 0, err
        found = set()
        corpus = open_corpus(name)
        tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_directory)
        for path in Path(name, "train").glob("*.arrow"):
            with pa.memory_map(str(path)) as file:
                for row in pa.ipc.open_stream(file).read_all().to_pylist():
                    begins = [i for i, begins in enumerate(row["word_start"]) if begins]
                    for begin, end in pairwise([*begins, len(row["input_ids"])]):
                        ids = row["input_ids"][begin:end]
                        found.add(tokenizer.decode(ids, skip_special_tokens=True).strip())
        assert found >= set(words), found
        without = [one for one in arguments if one not in ("--tagger", "none")]
        status, _, err = tidemask(*without[:-1], "refused", "--workers", "1", "--held-out", "0")
        (said,) = [line for line in err.splitlines() if line.startswith("tidemask: ")]
        assert status == 2
        assert "text that is not English" in said


def test_guide_of_own_corpus_names_every_ending_and_border() -> None:
    for name in (*ENDINGS, *COMPRESSED, *BORDERS, SEPARATOR):
        assert f"`{name}" in TEXT, name


def test_guide_of_own_corpus_list_of_sources_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "sources.yaml").write_text(block)
    listed = read_source_list(tmp_path / "sources.yaml")
    assert [(source.name, source.passes) for source in listed] == [("notes", 3.0), ("tales", 0.5)]
    rows = re.findall(r"^\| (`.*?`) \|", TEXT.partition("| key | meaning |")[2], flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {field.name for field in dataclasses.fields(ListedSource)} <= named


def test_guide_of_own_corpus_numbers_are_those_of_the_choice() -> None:
    text = " ".join(TEXT.split())
    assert f"beginnings of up to {border_choice._SAMPLED_FILES} files" in text
    assert f"fewer than {border_choice.SHORT_DOCUMENT_WORDS} words in the median" in text
    assert border_choice.MANY_FILES == 5
    assert "there are five files or more" in text
    assert f"where lines have {border_choice.LONG_LINE_WORDS} words or more in the median" in text
    assert f"where {line_form.CLAUSE_SHARE:.0%} end in a comma".replace("%", " %") in text
    assert f"fewer than {border_choice.MANY_LINES} of them" in text
    assert f"{borders.MAX_DOCUMENT_CHARACTERS // 10**6} million characters" in text
