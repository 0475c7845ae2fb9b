"""`tidemask fill` and `tidemask score`, on a run and on a model directory."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from scored_material import model_for, wordpiece
from small_runs import started
from tidemask.cli import app as cli
from tidemask.tasks.zero_shot.fill import fill_masks
from tidemask.tasks.zero_shot.pll import score_texts
from tidemask.tasks.zero_shot.scoring import ScoringSettings

Command = Callable[..., tuple[int, str, str]]

TEXT = "The river paints a stone."


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored") / "checkpoint-7"
    model_for(wordpiece()).save_pretrained(path)
    wordpiece().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def diverged(directory: Path) -> Path:
    """The same model with an infinite weight."""
    path = shutil.copytree(directory, directory.with_name("diverged"))
    weights = load_file(path / "model.safetensors")
    next(iter(weights.values())).view(-1)[5] = math.inf
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path


@pytest.fixture
def tidemask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; returns exit status, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tidemask", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_scoring_command_fills_every_mask(directory: Path, tidemask: Command) -> None:
    _, shown, _ = tidemask("fill", directory, "The [MASK] paints a <mask>.", "--top", 3)
    assert "Mask 1" in shown
    assert "Mask 2" in shown
    assert len(re.findall(r"0\.\d{4}", shown)) == 6


@pytest.mark.slow
def test_scoring_command_prints_json_lines_with_every_digit(
    directory: Path, tidemask: Command
) -> None:
    _, shown, _ = tidemask("fill", directory, "The [MASK] paints a [MASK].", "--top", 3, "--json")
    found = fill_masks(model_for(wordpiece()), wordpiece(), "The [MASK] paints a [MASK].", top=3)
    lines = [json.loads(line) for line in shown.splitlines()]
    assert [line["mask"] for line in lines] == [1, 2]
    for line, candidates in zip(lines, found, strict=True):
        assert [word["token"] for word in line["words"]] == [
            candidate.token for candidate in candidates
        ]
        assert [word["token_id"] for word in line["words"]] == [
            candidate.token_id for candidate in candidates
        ]
        expected = pytest.approx([candidate.probability for candidate in candidates])
        assert [word["probability"] for word in line["words"]] == expected
    long = f"{TEXT} " * 20
    arguments = ["score", directory, TEXT, long, "", "--tokens", "--json"]
    _, shown, _ = tidemask(*arguments)
    lines = [json.loads(line) for line in shown.splitlines()]
    assert [line["text"] for line in lines] == [TEXT, long, ""]
    scores = score_texts(model_for(wordpiece()), wordpiece(), [TEXT, long, ""], ScoringSettings())
    for line, score in zip(lines, scores, strict=True):
        assert line["pll"] == pytest.approx(score.pll)
        assert line["num_tokens"] == score.num_tokens == len(line["tokens"])
        assert line["num_windows"] == score.num_windows
        assert sum(line["log_probabilities"]) == pytest.approx(line["pll"])
    assert lines[0]["pppl"] == pytest.approx(math.exp(-lines[0]["pll"] / lines[0]["num_tokens"]))
    assert lines[2]["pppl"] is None


def test_scoring_command_shows_pll_and_pppl(
    directory: Path, tmp_path: Path, tidemask: Command
) -> None:
    (tmp_path / "more.txt").write_text("winter\n\nA [b]old [/b] one\n", encoding="utf-8")
    arguments = ["score", directory, TEXT, "--file", tmp_path / "more.txt", "--tokens"]
    _, shown, _ = tidemask(*arguments, "--variant", "within_word_l2r")
    settings = ScoringSettings(variant="within_word_l2r")
    score = score_texts(model_for(wordpiece()), wordpiece(), [TEXT], settings)[0]
    (line,) = re.findall(rf"{TEXT} .*", shown)
    tokens, pll, pppl = line.removeprefix(TEXT).replace(",", "").split()
    assert int(tokens) == score.num_tokens
    assert float(pll) == pytest.approx(score.pll, abs=2e-3)
    assert float(pppl) == pytest.approx(math.exp(-score.pll / score.num_tokens), rel=1e-3)
    assert "A [b]old [/b] one" in shown
    assert "all together" in shown
    assert shown.count("log-probability") == 3


def test_scoring_command_says_that_a_text_was_read_in_windows(
    directory: Path, tidemask: Command
) -> None:
    _, shown, _ = tidemask("score", directory, "winter " * 80)
    assert "1 of 1 texts are longer than the model, and were read in 2 windows." in shown


def test_scoring_command_names_texts_without_a_token(directory: Path, tidemask: Command) -> None:
    status, shown, err = tidemask("score", directory, TEXT, "", " ")
    assert status == 0
    assert "2 of 3 texts have no token, and so no perplexity; the first is ''.\n" in err
    assert "nan" not in shown
    assert re.search(r"all together +\d+ ", shown)


UNKNOWN = "你好 世界 a"
"""Two words that the tokenizer has no entry for, and one that it has."""


@pytest.mark.slow
def test_scoring_command_names_texts_that_are_mostly_unknown(
    directory: Path, tmp_path: Path, tidemask: Command
) -> None:
    status, shown, err = tidemask("score", directory, TEXT, UNKNOWN, "--json")
    assert (status, len(shown.splitlines())) == (0, 2)
    assert "1 of 2 texts have mostly unknown tokens, " in err
    assert err.endswith(f"the first is '{UNKNOWN}'.\n")
    assert tidemask("score", directory, TEXT, "你 a river")[2].count("\n") == 1
    status, _, err = tidemask("fill", directory, f"{UNKNOWN} [MASK]")
    assert (status, err.count("\n")) == (0, 1)
    assert "unknown to the model's tokenizer" in err
    assert tidemask("fill", directory, "The [MASK] paints [MASK] [MASK] [MASK].")[2] == ""
    pairs = tmp_path / "pairs.jsonl"
    rows = [("The river", "River the"), (UNKNOWN, "a 世界 你好")]
    pairs.write_text("".join(json.dumps({"good": one, "bad": other}) + "\n" for one, other in rows))
    status, _, err = tidemask(
        "evaluate", directory, "--tasks", "pairs", "--task-data", f"pairs={pairs}", "--no-random"
    )
    assert status == 0, err
    assert "1 of 2 pairs are mostly unknown tokens, so that they say little" in err
    assert f"the first is {pairs}, line 2." in err


@pytest.mark.slow
def test_scoring_command_takes_the_newest_model_of_a_run(
    corpus: Path, directory: Path, tmp_path: Path, tidemask: Command
) -> None:
    run = started(corpus, tmp_path / "run", "bert")
    assert "has no checkpoint yet" in tidemask("fill", run.root, "[MASK]")[2]
    (run.root / "checkpoint-2").mkdir()
    (run.root / "checkpoint-10").symlink_to(directory)
    status, shown, _ = tidemask("fill", run.root, "[MASK]")
    assert status == 0
    assert shown == tidemask("fill", directory, "[MASK]")[1]
    run.model.mkdir()
    assert (
        f"final model not whole: {run.model} has no config.json"
        in (tidemask("fill", run.root, "[MASK]")[2])
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "DIRECTORY"], "no text to score"),
        (["score", "DIRECTORY", "--file", "nowhere.txt"], "no such file: nowhere.txt"),
        (["score", "nowhere", "text"], "no such directory: nowhere"),
        (["fill", "DIRECTORY", "text"], "no mask in the text"),
        (
            ["score", "DIRECTORY", ""],
            "no token to score: the tokenizer of the model finds none in ''",
        ),
        (["score", "DIRECTORY", "", " \t"], "no token to score"),
        (["score", "DIRECTORY", "", "--json", "--tokens"], "no token to score"),
        (["score", "DIVERGED", "text"], "weights that are not finite: "),
        (["fill", "DIVERGED", "a [MASK]"], "weights that are not finite: "),
    ],
)
def test_scoring_command_refuses_in_one_line(
    directory: Path, diverged: Path, tidemask: Command, arguments: list[str], message: str
) -> None:
    names = {"DIRECTORY": directory, "DIVERGED": diverged}
    given = [names.get(argument, argument) for argument in arguments]
    status, out, err = tidemask(*given)
    assert (status, out) == (2, "")
    assert err.startswith(f"tidemask: {message}")
    assert err.count("\n") == 1
