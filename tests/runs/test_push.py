"""What `push` puts on the hub, and what it says where it cannot; the hub is a stand-in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, close_session, constants
from safetensors.torch import load_file, save_file

import tidemask as package
from cases import all_cases
from child_processes import HUNG_SECONDS, ended
from hub_stand_in import TOKEN, Hub, stand_in
from small_runs import run_command, trained, warm_command
from tidemask.run_record import RunDirectory

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("runs") / "first-run", "bert")


@pytest.fixture
def own_run(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy to change."""
    return RunDirectory(shutil.copytree(run.root, tmp_path / "own-run"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The hub of this process, which is logged in."""
    with stand_in() as hub:
        for name, value in (
            ("ENDPOINT", hub.address), ("HF_HUB_OFFLINE", False), ("HF_HUB_DISABLE_XET", True),
            ("HF_TOKEN_PATH", str(tmp_path / "no-token")),
        ):  # fmt: skip
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        close_session()
        yield hub
        close_session()


def _content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_push_arrives_byte_for_byte_in_one_commit(
    run: RunDirectory, hub: Hub, tidemask: Command
) -> None:
    status, out, err = tidemask("push", run.root, "--to", "ada/tides")
    assert (status, out) == (0, f"Model: {hub.address}/ada/tides\n"), err
    assert err.startswith("The card names no license. ")
    assert err.count("\n") == 1
    there = hub.repositories["ada/tides"]
    assert there.commits == ["first-run by tidemask"]
    assert not there.private
    record = {name: there.files[name] for name in there.files if name.startswith("run/")}
    assert {n: c for n, c in there.files.items() if n not in record} == _content(run.model)
    assert record["run/metrics.jsonl"] == run.metrics.read_bytes()
    theirs, ours = yaml.safe_load(record["run/run.yaml"]), yaml.safe_load(run.config.read_text())
    assert theirs.pop("corpus") == {**ours["corpus"], "path": Path(ours["corpus"]["path"]).name}
    assert theirs == {name: value for name, value in ours.items() if name != "corpus"}
    assert all(str(run.root.parent).encode() not in content for content in there.files.values())
    assert list(hub.objects.values()) == [(run.model / "model.safetensors").read_bytes()]


@pytest.mark.slow
def test_push_card_says_what_was_measured_and_nothing_else(run: RunDirectory, hub: Hub) -> None:
    package.push(run, to="ada/tides")
    card: Any = ModelCard(hub.repositories["ada/tides"].files["README.md"].decode()).data
    final = json.loads(run.result("held-out", "final").read_text())["metrics"]
    assert card.library_name == "transformers"
    assert {"tidemask", "bert"} <= set(card.tags)
    assert (card.license, card.datasets, card.base_model) == (None, None, None)
    first = card.eval_results[0]
    assert (first.metric_type, first.metric_value) == ("loss", round(final["held_out/loss"], 4))


@pytest.mark.slow
def test_push_by_its_own_name_and_again(own_run: RunDirectory, hub: Hub) -> None:
    """The token's user and the run's directory; what is there stays, but for other weights."""
    notes: list[str] = []
    address = package.push(own_run.root, private=True, on_note=notes.append)
    assert address == f"{hub.address}/ada/own-run"
    there = hub.repositories["ada/own-run"]
    assert there.private
    there.files |= {".gitattributes": b"*", "model-00001-of-00002.safetensors": b"old",
                    "onnx/model.safetensors": b"of another program"}  # fmt: skip
    card = own_run.model / "README.md"
    card.write_text(card.read_text().replace("---\n", "---\nlicense: mit\n", 1))
    notes.clear()
    package.push(own_run.root, to="ada/own-run", private=True, on_note=notes.append)
    assert notes == []
    assert there.files["README.md"] == card.read_bytes()
    assert {".gitattributes", "onnx/model.safetensors"} < there.files.keys()
    assert "model-00001-of-00002.safetensors" not in there.files
    assert sum(asked.startswith("PUT /objects/") for asked in hub.asked) == 1


@pytest.mark.slow
def test_push_of_a_checkpoint_is_a_model_with_a_card_of_its_own(
    run: RunDirectory, hub: Hub, tidemask: Command, tmp_path: Path
) -> None:
    status, _, err = tidemask("push", run.root, "--to", "engines/early", "--checkpoint", 5)
    assert status == 0, err
    there = hub.repositories["engines/early"].files
    names = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert {n: there[n] for n in names} == {
        name: (run.checkpoint(5) / name).read_bytes() for name in names
    }
    assert there.keys() == {*names, "README.md", "run/run.yaml", "run/metrics.jsonl"}
    card = there["README.md"].decode()
    assert "This is its state after 5 of 8 optimizer steps." in card
    assert "None: this checkpoint was not evaluated." in card
    data: Any = ModelCard(card).data
    assert data.eval_results is None
    steps = [json.loads(line)["step"] for line in there["run/metrics.jsonl"].splitlines()]
    assert steps == [3, 4]
    for name, content in there.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    status, out, err = tidemask("fill", tmp_path, "The [MASK] sat.", "--json")
    assert (status, out.count('"word') > 0) == (0, True), err


@pytest.mark.slow
def test_push_of_a_checkpoint_that_was_evaluated_has_its_losses(
    own_run: RunDirectory, hub: Hub
) -> None:
    package.evaluate(own_run.root, tasks="held-out", checkpoints=[5], progress=False)
    package.push(own_run, to="ada/early", checkpoint=5)
    card: Any = ModelCard(hub.repositories["ada/early"].files["README.md"].decode())
    measured = json.loads(own_run.result("held-out", "checkpoint-5").read_text())["metrics"]
    assert card.data.eval_results[0].metric_value == round(measured["held_out/loss"], 4)
    assert "| checkpoint-5 |" in card.text


def _refused(tidemask: Command, *arguments: object) -> str:
    """The one line that a command ends with."""
    status, out, err = tidemask("push", *arguments)
    assert (status, out) == (2, ""), err
    assert err.startswith("tidemask: ")
    assert err.count("\n") == 1
    assert TOKEN not in err
    return err.removeprefix("tidemask: ").strip()


ANSWERS = (
    ("GET /api/models", 401, "Invalid credentials", "does not know the token (Invalid creden"),
    ("GET /api/models", 503, "Down", "it fails by itself, with status 503 (Down). Give the"),
    ("POST /api/repos/create", 403, "No rights", "the token may not write there (No rights). Giv"),
    ("POST /api/repos/create", 404, "No such owner", "it has no such owner or model, or the token"),
    ("POST /api/repos/create", 400, "Bad name", "its answer is not what was expected (Bad name)"),
    ("POST /api/models/ada/tides/commit", 409, "Busy", "something else changed the model at the"),
    ("POST /api/models/ada/tides/commit", 412, "Busy", "something else changed the model at the"),
    ("POST /api/models/ada/tides/commit", 500, "Oops", "it fails by itself, with status 500 (Oops"),
    ("POST /api/validate-yaml", 400, "Wrong", "its answer is not what was expected ("),
    ("POST /ada/tides.git/info/lfs", 413, "Large", "a file is larger than it takes (Large). Look"),
    ("PUT /objects", 403, "Expired", "the token may not write there (Expired"),
    ("GET /api/models", 429, f"Enough of {TOKEN}", "it had too many requests (Enough of TOKEN). W"),
)


@pytest.mark.slow
@all_cases(("asked", "status", "said", "expected"), ANSWERS)
def test_push_refused_by_the_hub_is_one_line(
    asked: str, status: int, said: str, expected: str, run: RunDirectory, hub: Hub,
    tidemask: Command,
) -> None:  # fmt: skip
    hub.failing = {asked: (status, said)}
    hub.repositories.clear()
    hub.objects.clear()
    line = _refused(tidemask, run.root, "--to", "ada/tides")
    assert line.startswith(f"not pushed: ada/tides to the hub at {hub.address}: ")
    assert expected in line
    assert not hub.repositories.get("ada/tides") or not hub.repositories["ada/tides"].files


@pytest.mark.slow
def test_push_private_into_what_all_can_see_is_refused(
    run: RunDirectory, hub: Hub, tidemask: Command
) -> None:
    package.push(run, to="ada/tides")
    line = _refused(tidemask, run.root, "--to", "ada/tides", "--private")
    assert line.startswith(f"not private: {hub.address}/ada/tides is there already")
    assert len(hub.repositories["ada/tides"].commits) == 1


@pytest.mark.slow
def test_push_of_what_is_there_changes_nothing(run: RunDirectory, hub: Hub) -> None:
    """The stand-in tells no digests of files, as the hub does, so that the commit is made."""
    notes: list[str] = []
    package.push(run, to="ada/tides")
    first = dict(hub.repositories["ada/tides"].files)
    package.push(run, to="ada/tides", on_note=notes.append)
    assert hub.repositories["ada/tides"].files == first


@pytest.mark.slow
def test_push_without_a_hub_that_answers(
    run: RunDirectory, hub: Hub, tidemask: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemask.runs.hub_upload._ANSWER_SECONDS", 0.5)
    for hub.held in ("GET /api/models/ada/tides", "POST /api/repos/create"):
        assert "it does not answer (timed out). Check the network" in _refused(
            tidemask, run.root, "--to", "ada/tides"
        )
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "at http://127.0.0.1:9: it cannot be reached (" in _refused(
        tidemask, run.root, "--to", "ada/tides"
    )
    monkeypatch.setattr(constants, "ENDPOINT", "127.0.0.1")
    assert "it cannot be reached (Request URL is missing" in _refused(
        tidemask, run.root, "--to", "ada/tides"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in _refused(tidemask, run.root, "--to", "ada/tides")


@pytest.mark.slow
def test_push_without_a_token_or_with_an_unusable_one(
    run: RunDirectory, hub: Hub, tidemask: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\x01")
    assert _refused(tidemask, run.root, "--to", "ada/tides").startswith("unusable token: it has ")
    monkeypatch.delenv("HF_TOKEN")
    line = _refused(tidemask, run.root, "--to", "ada/tides")
    assert line.startswith("not logged in to the hub: there is no token. Give one by `hf auth lo")
    assert "HF_TOKEN" in line
    assert hub.asked == []


@pytest.mark.slow
@all_cases(("name", "said"), [
    ("tides", "no owner: --to=tides. Expected USER/NAME"),
    ("https://hub/ada/tides", "not a name on the hub: --to=https://hub/ada/tides: "),
    ("ada/ti des", "not a name on the hub: --to=ada/ti des: "),
    ("", "not a name on the hub: --to=: "),
])  # fmt: skip
def test_push_to_what_is_no_name(
    name: str, said: str, run: RunDirectory, hub: Hub, tidemask: Command
) -> None:
    assert _refused(tidemask, run.root, "--to", name).startswith(said)
    assert hub.asked == []


def test_push_of_what_is_no_run(tmp_path: Path, hub: Hub, tidemask: Command) -> None:
    line = _refused(tidemask, tmp_path)
    assert line.startswith(f"not a run directory: {tmp_path}. Expected a file run.yaml in it.")
    for arguments in ({"to": 3}, {"checkpoint": "last"}):
        with pytest.raises(ValueError, match=r"to=3\. Expected|checkpoint='last'\. Expected"):
            package.push(tmp_path, **arguments)
    assert hub.asked == []


@pytest.mark.slow
def test_push_of_an_unfinished_run(own_run: RunDirectory, hub: Hub, tidemask: Command) -> None:
    shutil.rmtree(own_run.model)
    assert _refused(tidemask, own_run.root) == (
        f"no final model: {own_run.root} is not finished. Finish it by `tidemask resume "
        f"{own_run.root}`, or push a checkpoint with --checkpoint: 5, 8."
    )
    line = _refused(tidemask, own_run.root, "--checkpoint", 7)
    assert line == f"no such checkpoint: --checkpoint=7. {own_run.root} has: 5, 8."
    assert hub.asked == []


@pytest.mark.slow
def test_push_of_a_model_that_was_changed(
    own_run: RunDirectory, hub: Hub, tidemask: Command
) -> None:
    for directory in (own_run.model, own_run.checkpoint(5)):
        path = directory / "model.safetensors"
        weights = load_file(path)
        next(iter(weights.values())).view(-1)[3] += 1
        save_file(weights, path, metadata={"format": "pt"})
    line = _refused(tidemask, own_run.root)
    assert line.startswith(f"final model changed: {own_run.model} has fingerprint=")
    line = _refused(tidemask, own_run.root, "--checkpoint", 5)
    assert "model.safetensors is not what was written" in line
    (own_run.model / "model.safetensors").write_bytes(b"")
    assert _refused(tidemask, own_run.root).startswith(f"final model not whole: {own_run.model}")
    assert hub.asked == []


@pytest.mark.slow
def test_push_of_a_damaged_card(own_run: RunDirectory, hub: Hub, tidemask: Command) -> None:
    card = own_run.model / "README.md"
    card.write_text("---\nlicense: [\n---\n\n# A model\n")
    assert _refused(tidemask, own_run.root).startswith(f"damaged card: {card}: while parsing")
    card.write_bytes(b"---\nlicense: mit\n---\n\n# A m\xfdel\n")
    line = _refused(tidemask, own_run.root)
    assert line.startswith(f"damaged card: {card}, line 5, column 6: the byte 0xFD is not UTF-8.")
    card.unlink()
    assert _refused(tidemask, own_run.root).startswith(f"no card: {card} is missing. Restore it; ")
    assert hub.asked == []


@pytest.mark.slow
def test_push_of_damaged_metrics(own_run: RunDirectory, hub: Hub, tidemask: Command) -> None:
    """Of a final model they are no part of the card, and would be uploaded as they are."""
    sound = own_run.metrics.read_bytes()
    own_run.metrics.write_bytes(sound.replace(b'"step": 3', b'"step": "3"', 1))
    line = _refused(tidemask, own_run.root)
    assert line.startswith(f'damaged metrics: {own_run.metrics}, line 1: step="3". Expected')
    own_run.metrics.unlink()
    os.mkfifo(own_run.metrics)
    assert _refused(tidemask, own_run.root).startswith(f"not a file: {own_run.metrics} is a pipe")
    own_run.metrics.unlink()
    own_run.metrics.symlink_to("nothing-there")
    assert str(own_run.metrics) in _refused(tidemask, own_run.root)
    assert hub.asked == []


@pytest.mark.slow
def test_push_tells_no_place_that_yaml_breaks_into_lines(own_run: RunDirectory, hub: Hub) -> None:
    place = f"/home/ada/{'a long way ' * 15}down/it's here/corpus"
    settings = yaml.safe_load(own_run.config.read_text())
    settings["corpus"]["path"] = place
    own_run.config.write_text(yaml.safe_dump(settings))
    assert place not in own_run.config.read_text()
    package.push(own_run.root, to="ada/tides")
    uploaded = hub.repositories["ada/tides"].files["run/run.yaml"].decode()
    assert yaml.safe_load(uploaded) == {
        **settings,
        "corpus": {**settings["corpus"], "path": "corpus"},
    }


AT_A_STAND_IN = """
import runpy, sys
from huggingface_hub import constants

constants.ENDPOINT = sys.argv.pop(1)
constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = False, True
runpy.run_module("tidemask", run_name="__main__", alter_sys=True)
"""
"""The program, whose hub is the one that is named first."""


@pytest.mark.slow
@all_cases("held", ["PUT /objects", "POST /api/models/ada/tides/commit"])
def test_push_interrupted_leaves_nothing_and_is_whole_the_second_time(
    held: str, run: RunDirectory, hub: Hub, tmp_path: Path
) -> None:
    hub.held, hub.repositories = held, {}
    hub.objects.clear()
    hub.reached.clear()
    script = tmp_path / "at_a_stand_in.py"
    script.write_text(AT_A_STAND_IN)
    program = warm_command(script, hub.address, "push", str(run.root), "--to", "ada/tides")
    process = subprocess.Popen(program, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with ended(process):
        assert hub.reached.wait(HUNG_SECONDS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HUNG_SECONDS)
    assert (process.returncode, out) == (130, "")
    assert err == (
        "tidemask: interrupted. The hub has all of it or nothing new; give the command again.\n"
    )
    assert hub.repositories["ada/tides"].files == {}
    hub.held = "-"
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"Model: {hub.address}/ada/tides\n"), done.stderr
    assert _content(run.model).items() <= hub.repositories["ada/tides"].files.items()


@pytest.mark.slow
def test_push_help_fits_a_terminal_of_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run_command(["push", "--help"])
    assert shown.returncode == 0
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert {"--to", "--private", "--checkpoint"} <= set(shown.stdout.replace("\n", " ").split())
