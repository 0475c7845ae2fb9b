"""Names of directories and names on the hub are distinguished without asking the hub."""

import pytest
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from tidemask.errors import UserError
from tidemask.hub import local_directory, why_not_downloaded


def test_hub_names_may_be_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_directory("bert-base-cased", expected="a model") is None
    assert local_directory("org/name", expected="a model") is None


def test_hub_directories_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert local_directory("org/name", expected="a model") == (tmp_path / "org/name").relative_to(
        tmp_path
    )
    assert local_directory(str(tmp_path / "org"), expected="a model") == tmp_path / "org"


@pytest.mark.parametrize("name", ["./gone", "/gone/too", "~/gone-too", "a/b/c"])
def test_hub_paths_that_are_no_directory_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"no such directory: x={name}. Expected a model, or"):
        local_directory(name, setting="x", expected="a model")


def test_hub_file_in_place_of_a_directory_is_called_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("x")
    for name in ("t.txt", "./t.txt", str(tmp_path / "t.txt")):
        with pytest.raises(UserError, match=r"is a file\. Expected a model, or") as caught:
            local_directory(name, expected="a model")
        assert str(caught.value).startswith(f"not a directory: {name} ")
        assert "Did you mean" not in str(caught.value)


def test_hub_hint_names_a_directory_nearby(tmp_path):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(UserError, match=f"Did you mean {tmp_path}/corpus[?]"):
        local_directory(f"{tmp_path}/corpsu", expected="a corpus")


def test_hub_failures_are_said_in_plain_words():
    outer = OSError("We couldn't connect to 'https://huggingface.co'")
    outer.__cause__ = LocalEntryNotFoundError("An error happened")
    reason = "the hub cannot be reached, and no copy of it is on this machine"
    assert why_not_downloaded(outer) == reason
    outer.__cause__.__cause__ = OfflineModeIsEnabled("offline")
    assert why_not_downloaded(outer).startswith("HF_HUB_OFFLINE is set")
    assert why_not_downloaded(HFValidationError("a b")).startswith("it is not a name")
    assert why_not_downloaded(OSError("disk")) is None
