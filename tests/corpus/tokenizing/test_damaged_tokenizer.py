"""Files of a tokenizer with values of other types: one line with the file, and no traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError

OTHER_VALUES = [None, [], {}, "x", 3, 1e9, float("nan"), True, [{}], -1]


@pytest.fixture
def directory(corpus: Path, tmp_path: Path) -> Path:
    """A tokenizer that may be spoilt."""
    return Path(shutil.copytree(corpus / "tokenizer", tmp_path / "tokenizer"))


def _refusal(directory: Path) -> str | None:
    """What is said of a tokenizer; `None` if it loads. Anything but a `UserError` is an error."""
    try:
        load_tokenizer(str(directory)).tokenizer("some words", truncation=True)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.slow
def test_tokenizer_with_any_field_of_another_type_is_one_line_or_loads(
    name: str, directory: Path
) -> None:
    path = directory / name
    content = json.loads(path.read_text())
    refused = 0
    for field in content:
        for value in OTHER_VALUES:
            path.write_text(json.dumps({**content, field: value}))
            refused += _refusal(directory) is not None
    assert refused > 10
    for whole in OTHER_VALUES[:6]:
        path.write_text(json.dumps(whole))
        _refusal(directory)
    path.write_text(json.dumps(content))
    assert _refusal(directory) is None


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("tokenizer_config.json", "model_max_length", "512"),
        ("tokenizer_config.json", "model_max_length", 1e9),
        ("tokenizer_config.json", "model_max_length", -1),
        ("tokenizer_config.json", "model_input_names", [0, "input_ids"]),
        ("tokenizer_config.json", "model_input_names", ["attention_mask"]),
        ("tokenizer_config.json", "model_input_names", "input_ids"),
        ("tokenizer_config.json", "model_input_names", None),
        ("tokenizer_config.json", "model_input_names", 3),
        ("tokenizer_config.json", "tokenizer_class", 3),
        ("tokenizer_config.json", "unk_token", ""),
        ("tokenizer.json", "version", 3),
    ],
)
def test_tokenizer_with_a_field_of_another_type_is_named(
    name: str, field: str, value: Any, directory: Path
) -> None:
    path = directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    said = _refusal(directory)
    assert said is not None
    assert said.startswith("damaged tokenizer")
    assert "\n" not in said
    assert name in said
    assert field in said or name == "tokenizer.json"


@pytest.mark.parametrize(("name", "shown"), [("[GONE]", r"\[GONE\]"), ("", "an empty one")])
def test_tokenizer_whose_post_processor_names_an_unknown_token_is_named(
    name: str, shown: str, directory: Path
) -> None:
    """The Rust library panics at its first text, with lines of its own on stderr."""
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    content["post_processor"]["pair"][0]["SpecialToken"]["id"] = name
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"damaged tokenizer: .* names {shown} without ids"):
        _ = load_tokenizer(str(directory)).frame
