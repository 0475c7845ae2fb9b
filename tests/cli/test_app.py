"""The commands end to end on a small text, and what bad input gets."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from small_runs import TINY, trained
from tidemask.cli.tables import print_table
from tidemask.evaluation_files import read_sequence_sums
from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("cli") / "ptw-mrd", "ptw-mrd")


@pytest.mark.slow
def test_cli_the_main_job_end_to_end(tidemask: Command, tmp_path: Path) -> None:
    from prose import text

    source = tmp_path / "texts" / "a.txt.gz"
    source.parent.mkdir()
    source.write_bytes(gzip.compress(text(30, seed=7).encode()))
    corpus = tmp_path / "corpus"
    status, out, _ = tidemask(
        "prepare", source.parent, "--out", corpus, "--vocab-size", 150, "--sequence-length", 32,
        "--held-out", 0.25, "--workers", 1,
    )  # fmt: skip
    assert status == 0
    assert f"Corpus: {corpus}" in out
    for recipe in ("bert", "mrd-cosine"):
        status, out, err = tidemask(
            "pretrain", corpus, "--out", tmp_path / recipe, "--recipe", recipe, *TINY
        )
        assert status == 0
        assert "15 % in whole words" in out
        assert out.endswith(f"Model: {tmp_path / recipe / 'model'}\n")
        assert "training: 8 of 8" in err
    status, out, _ = tidemask("evaluate", tmp_path / "bert", "--checkpoints", "all")
    assert status == 0
    assert "checkpoint-5" in out
    assert "final" in out
    report = tmp_path / "report"
    status, out, _ = tidemask(
        "compare", tmp_path / "bert", tmp_path / "mrd-cosine", "--out", report
    )
    assert status == 0
    assert "supports no claim" in out
    assert (report / "index.html").is_file()


@pytest.mark.slow
def test_cli_run_directory_holds_what_others_rely_on(run: RunDirectory) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 4, 6, 8]
    always = {
        "step", "progress", "tokens_seen", "loss", "learning_rate", "masking/ratio",
        "masking/realised_ratio", "tokens_per_second", "class_loss/NOUN", "class_weight/NOUN",
        "class_share/NOUN",
    }  # fmt: skip
    evaluated = {"held_out/loss", "held_out/loss_30", "held_out/word_loss_5"}
    for line in lines:
        assert always <= line.keys()
        assert (evaluated <= line.keys()) == (line["step"] % 4 == 0)
        shares = [value for name, value in line.items() if name.startswith("class_share/")]
        assert len(shares) == 17
        assert sum(shares) == pytest.approx(1.0, abs=0.02)  # the rest has no class
    result = json.loads((run.evaluation / "held-out--final.json").read_text())
    assert {"task", "checkpoint", "metrics", "settings"} <= result.keys()
    found = result["metrics"]
    assert found["unigram_cross_entropy"] > found["unigram_entropy"] > 0
    sums = read_sequence_sums(run)
    assert sums is not None
    for name in ("loss", "loss_5", "word_loss_30", "own_loss"):
        assert sums.mean(f"held_out/{name}") == pytest.approx(found[f"held_out/{name}"], rel=1e-6)


def test_cli_model_loads_with_transformers(run: RunDirectory) -> None:
    model = AutoModelForMaskedLM.from_pretrained(run.model)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    encoded = tokenizer("the river [MASK] the stone", return_tensors="pt")
    assert model(**encoded).logits.shape[-1] == len(tokenizer)


@pytest.mark.slow
def test_cli_run_yaml_alone_starts_the_same_run(
    tidemask: Command, run: RunDirectory, tmp_path: Path
) -> None:
    again = RunDirectory(tmp_path / "again")
    again.root.mkdir()
    shutil.copy(run.config, again.config)
    assert tidemask("resume", again.root)[0] == 0
    assert (again.model / "model.safetensors").read_bytes() == (
        run.model / "model.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_cli_evaluates_a_model_directory(
    tidemask: Command, run: RunDirectory, corpus: Path
) -> None:
    assert tidemask("evaluate", run.model, "--data", corpus)[0] == 0
    status, _, err = tidemask("evaluate", run.model)
    assert status == 2
    assert "--data" in err


@pytest.mark.slow
def test_cli_evaluating_a_run_whose_corpus_is_gone_names_its_run_yaml(
    tidemask: Command, run: RunDirectory, tmp_path: Path
) -> None:
    moved = RunDirectory(tmp_path / "run")
    shutil.copytree(run.root, moved.root)
    shutil.rmtree(moved.evaluation)
    text = moved.config.read_text()
    path = read_run_config(moved.config).corpus.path
    moved.config.write_text(text.replace(path, str(tmp_path / "gone")))
    status, _, err = tidemask("evaluate", moved.root, "--tasks", "held-out")
    assert status == 2
    gone = (
        f"corpus.path={tmp_path / 'gone'}, which the run.yaml of the run names, is not a directory"
    )
    assert gone in err
    assert "spelling" not in err


@pytest.mark.slow
def test_cli_evaluating_on_other_text_leaves_the_runs_result_alone(
    tidemask: Command, run: RunDirectory, corpus: Path, plain_corpus: Path, tmp_path: Path
) -> None:
    from prose import text

    result = run.evaluation / "held-out--final.json"
    before = result.read_bytes()
    (tmp_path / "other.txt").write_text(text(20, seed=99))
    other = tmp_path / "other"
    status, _, err = tidemask(
        "prepare", tmp_path / "other.txt", "--out", other, "--tokenizer", corpus / "tokenizer",
        "--sequence-length", 32, "--held-out", 0.3, "--workers", 1,
    )  # fmt: skip
    assert status == 0, err
    status, out, _ = tidemask("evaluate", run.root, "--data", other)
    assert status == 0
    assert "final" in out
    assert result.read_bytes() == before
    (tmp_path / "third.txt").write_text(text(20, seed=5).replace("river", "estuary"))
    third = tmp_path / "third"
    tidemask(
        "prepare", tmp_path / "third.txt", "--out", third, "--vocab-size", 120, "--held-out", 0.3,
        "--workers", 1,
    )  # fmt: skip
    status, _, err = tidemask("evaluate", run.root, "--data", third)
    assert (status, err.count("tidemask: ")) == (2, 1), err
    assert "different tokenizers" in err


def test_cli_damaged_tokenizer_of_a_corpus(tidemask: Command, corpus: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(corpus, torn)
    (torn / "tokenizer" / "tokenizer.json").write_text("{")
    status, _, err = tidemask("pretrain", torn, "--out", tmp_path / "run")
    assert (status, err.count("\n")) == (2, 1), err
    assert not (tmp_path / "run").exists()


def test_cli_preview_says_nothing_of_a_run_above_a_refusal(corpus: Path, tidemask: Command) -> None:
    """That weights need a run is of no use to someone whose command is refused."""
    assert "Name one by --run" in tidemask("preview", corpus, "--recipe", "ptw")[2]
    status, _, err = tidemask("preview", corpus, "--recipe", "ptw", "--sequence", "99999")
    assert (status, err.count("\n")) == (2, 1)
    assert "no such sequence" in err


def test_cli_preview_shows_ratio_and_shares(
    tidemask: Command, run: RunDirectory, corpus: Path
) -> None:
    status, out, _ = tidemask(
        "preview", corpus, "--recipe", "ptw-mrd", "--progress", "0,1", "--run", run.root
    )
    assert status == 0
    assert "ratio 0.320" in out
    assert "ratio 0.020" in out
    assert "NOUN" in out
    assert "⟦" in out


@pytest.mark.slow
def test_cli_recipes_lists_and_shows(tidemask: Command) -> None:
    status, out, _ = tidemask("recipes")
    assert status == 0
    assert "mrd-cosine" in out
    assert "Yang, Zhang, Zhao" in tidemask("recipes", "mrd-cosine")[1]


def _truncated(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"some words in a row\n" * 999)[:-20])
    return path


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BAD_TEXT = {
    "no such file": lambda d: d / "none.txt",
    "empty": lambda d: _written(d / "empty.txt", b"\n\n  \n"),
    "byte offset 6": lambda d: _written(d / "bytes.txt", b"words \xff\xfe\n"),
    "truncated": lambda d: _truncated(d / "cut.txt.gz"),
}


@pytest.mark.parametrize("message", BAD_TEXT)
def test_cli_bad_text_leaves_nothing(message: str, tidemask: Command, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    status, _, err = tidemask("prepare", BAD_TEXT[message](tmp_path), "--out", out, "--workers", 1)
    assert status == 2
    assert err.count("\n") == 1, err
    assert message in err
    assert not out.exists()
    assert not list(tmp_path.glob(".corpus*"))


@pytest.mark.slow
def test_cli_bad_corpus_and_recipe(
    tidemask: Command, corpus: Path, plain_corpus: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(corpus, torn)
    shutil.rmtree(torn / "held_out")
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    out = tmp_path / "run"
    cases = [
        ([tmp_path / "nowhere"], "no such corpus"),
        ([torn], "incomplete"),
        ([other], "99"),
        ([corpus, "--recipe", "ptw-mdr"], "Did you mean ptw-mrd?"),
        ([corpus, "masking.ratio.ratoi=0.2"], "Did you mean ratio?"),
        ([corpus, "masking.ratio.ratio=1.5"], "Expected a number from 0 to 1"),
        ([plain_corpus, "--recipe", "ptw"], "Prepare the corpus with a tagger"),
    ]
    for arguments, message in cases:
        status, _, err = tidemask("pretrain", *arguments, "--out", out)
        assert (status, err.count("\n")) == (2, 1), err
        assert message in err
        assert not out.exists()


def test_cli_refuses_an_output_that_is_not_empty(
    tidemask: Command, corpus: Path, run: RunDirectory, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    source = tmp_path / "mine.txt"
    for arguments in (
        ["prepare", source, "--out", tmp_path],
        ["pretrain", corpus, "--out", tmp_path],
        ["compare", run.root, "--out", tmp_path],
    ):
        status, _, err = tidemask(*arguments)
        assert (status, err.count("\n")) == (2, 1), err
        assert str(tmp_path) in err
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_cli_resume_and_evaluate_refuse_what_is_not_there(
    tidemask: Command, run: RunDirectory, tmp_path: Path
) -> None:
    for arguments, message in (
        (["resume", run.root], "run is finished"),
        (["resume", tmp_path], "not a run directory"),
        (["evaluate", run.root, "--tasks", "glu"], "Known are held-out"),
        (["evaluate", tmp_path / "no"], "no such directory"),
        (["evaluate", tmp_path], "no model"),
        (["evaluate", run.root, "--checkpoints", "some"], "Expected last or all"),
        (["compare", tmp_path, "--out", tmp_path / "out"], "not a run directory"),
        (["preview", tmp_path / "no"], "no such corpus"),
        (["recipes", "bart"], "Did you mean bert?"),
    ):
        status, _, err = tidemask(*arguments)
        assert (status, err.count("\n")) == (2, 1), err
        assert message in err


def test_cli_tokenizer_without_mask_token(tidemask: Command, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "a": 2}, unk_token="[UNK]"))
    directory = tmp_path / "tokenizer"
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(directory)
    (tmp_path / "a.txt").write_text("a a a\n\na a\n")
    status, _, err = tidemask(
        "prepare", tmp_path / "a.txt", "--tokenizer", directory, "--out", tmp_path / "out"
    )
    assert (status, err.count("\n")) == (2, 1), err
    assert "mask token" in err
    assert not (tmp_path / "out").exists()


def test_cli_bad_arguments_are_one_line_with_the_value_seen(tidemask: Command) -> None:
    cases = {
        ("demo", "--steps", "abc"): "--steps=abc. Expected an integer.",
        ("demo", "--steps", "3"): "--steps=3. Expected a number greater than or equal to 20.",
        ("prepare", "x", "--out", "y", "--held-out", "z"): "--held-out=z. Expected a number.",
        ("score", "m", "t", "--unit", "page"): "--unit=page. Expected one of 'line', 'document'.",
    }
    for arguments, message in cases.items():
        assert tidemask(*arguments) == (2, "", f"tidemask: wrong value: {message}\n")


def test_cli_help_breaks_paragraphs_and_not_sentences(tidemask: Command) -> None:
    for command in ("resume", "evaluate", "score"):
        lines = tidemask(command, "--help")[1].split("\u256d")[0].splitlines()
        blank = [number for number, line in enumerate(lines) if not line.strip()]
        text = [line for line in lines[blank[1] :] if line.strip()]  # after the usage
        assert text
        assert all(len(line.split()) > 1 for line in text), text


def test_cli_tables_never_cut_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["text", "PLL"], [["words " * 30, "-1,234,567.891"]])
    printed = capsys.readouterr().out
    assert "-1,234,567.891" in printed
    assert printed.count("words") == 30


def test_study_takes_a_file_for_a_run_and_a_misspelt_command_for_one(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have a name like that of a command."""
    monkeypatch.chdir(tmp_path)
    status, _, errors = tidemask("study", "stauts", "directory")
    assert status == 2
    assert "'stauts'" in errors
    assert "status" in errors
    Path("status.yaml").write_text("question: why", encoding="utf-8")
    status, _, errors = tidemask("study", "status.yaml", "--out=new")
    assert status == 2
    assert "status.yaml" in errors
    assert "arms" in errors
    assert not Path("new").exists()


def test_cli_says_that_python_without_docstrings_cannot_run_it() -> None:
    done = subprocess.run(
        [sys.executable, "-OO", "-m", "tidemask", "recipes"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "PYTHONOPTIMIZE=2" in done.stderr
