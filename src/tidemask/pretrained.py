"""What transformers loads: configurations, models, tokenizers; code of their authors never runs.

Every `from_pretrained` and `from_config` of an auto class in the tree is here. transformers asks on
standard input whether it may run code that a directory names, unless an argument says so; here one
says no. An attention implementation that a configuration names may be code from the hub, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.files.paths import check_plain_files, check_readable_files
from tidemask.hub import quiet_retries

_FILES = ("config.json", "tokenizer_config.json")
"""Where a directory names its own classes, under `auto_map`."""

_FILES_OF_TOKENS = ("special_tokens_map.json", "added_tokens.json")

_MAX_LAYERS = 1000
"""Layers are made one after the other, whatever memory there is."""


def from_pretrained(auto_class: Any, place: str | Path, **options: Any) -> Any:
    """What an auto class of transformers loads from a directory, a file, or the hub.

    Args:
        auto_class: such as `AutoTokenizer`.
        place: a directory or a file here, which a `Path` always is; else a name on the hub.
            Nothing is downloaded for what is here.
        options: of its `from_pretrained`.

    Raises:
        UserError: it needs code of its own, has a file that is a pipe or a device or cannot be
            read, or is a `Path` that is gone.
        Exception: whatever transformers raises for what is missing or damaged.
    """
    path = Path(place)
    if isinstance(place, Path):
        _check_there(path)
    if path.is_dir():
        check_plain_files(path)
        _check_names_of_files(path)
        _check_characters(path)
    if path.exists():
        options["local_files_only"] = True
    try:
        with _refusing_own_code(place), quiet_retries():
            loaded = auto_class.from_pretrained(str(place), trust_remote_code=False, **options)
    except UserError:
        raise
    except Exception:  # those of three libraries, which often name another cause
        if isinstance(place, Path):
            _check_there(path)
        if path.is_dir():
            check_readable_files(path)
        raise
    _check_config(loaded, place)
    return loaded


def _check_names_of_files(directory: Path) -> None:
    """Refuse a directory in the place of a file, which transformers takes for a missing one."""
    for name in (*_FILES, "tokenizer.json", "model.safetensors"):
        if (directory / name).is_dir():
            raise UserError(f"not a file: {directory / name} is a directory. Remove or replace it.")


def _check_characters(directory: Path) -> None:
    """Refuse half of a surrogate pair, which transformers reads and cannot write again."""
    for path in (directory / name for name in (*_FILES, *_FILES_OF_TOKENS)):
        try:
            text = path.read_text(encoding="utf-8")
            if "\\u" in text:
                json.dumps(json.loads(text), ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"damaged file: {path}: a string with {error.object[error.start]!a}, half of a "
                "surrogate pair. Remove it, or save the directory again with transformers."
            ) from error
        except (OSError, ValueError, RecursionError):  # transformers says what it is
            continue


def from_config(auto_class: Any, config: Any, **options: Any) -> Any:
    """The model with random weights that an auto class of transformers makes of a configuration.

    Args:
        auto_class: such as `AutoModelForMaskedLM`.
        config: as `from_pretrained` of `AutoConfig` gives it.
        options: of its `from_config`.

    Raises:
        UserError: it needs code of its own.
        Exception: whatever transformers raises for a configuration that it cannot use.
    """
    place = str(getattr(config, "_name_or_path", "") or "the configuration")
    _check_config(config, place)
    with _refusing_own_code(place):
        return auto_class.from_config(config, trust_remote_code=False, **options)


def _check_there(path: Path) -> None:
    """Refuse a path that is gone, which transformers would look for on the hub."""
    if not path.exists():
        raise UserError(
            f"no such directory: {path}. It is gone, as a checkpoint is when its run keeps later "
            "ones (training.keep_checkpoints). Name another, then give the command again."
        )


@contextmanager
def _refusing_own_code(place: str | Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):  # the option that its message offers
            raise
        raise UserError(
            f"code of its own: {_naming_file(Path(place))} has an auto_map, whose Python is never "
            "run here. Expected a model and a tokenizer that transformers has. Remove auto_map and "
            "name a class of transformers in its place, or convert it where you trust its author."
        ) from error


def _naming_file(place: Path) -> Path:
    """The file that names classes of its own; the place itself if none of the known ones does."""
    for path in [place, *(place / name for name in _FILES)]:
        try:
            if "auto_map" in json.loads(path.read_text(encoding="utf-8")):
                return path
        except (OSError, ValueError, TypeError, RecursionError):
            continue
    return place


def _check_config(loaded: Any, place: str | Path) -> None:
    """Refuse a configuration with a kernel of the hub, `owner/name`, or with endless layers."""
    num_layers = getattr(loaded, "num_hidden_layers", 0)
    if isinstance(num_layers, int) and num_layers > _MAX_LAYERS:
        raise UserError(
            f"model too deep: {place}: num_hidden_layers={num_layers}. Expected at most "
            f"{_MAX_LAYERS}. Correct its config.json."
        )
    parts = [loaded, *(getattr(loaded, name, None) for name in getattr(loaded, "sub_configs", ()))]
    for part in parts:
        _check_attention(str(getattr(part, "_attn_implementation", None) or ""), place)


def _check_attention(named: str, place: str | Path) -> None:
    if "/" in named:
        raise UserError(
            f"code of its own: {place}: attn_implementation={named} is a kernel on the hub, which "
            "is never run here. Expected sdpa or eager. Remove it from config.json."
        )
    # transformers loads a kernel of the hub in its place where flash-attn lacks, or does not fit.
    kernels = getattr(find_spec("kernels"), "origin", None)  # of a mere directory it is `None`
    if "flash_attention" in named and kernels:
        raise UserError(
            f"code of the hub: {place}: attn_implementation={named}, and the package kernels is "
            "installed, by which transformers may load a kernel from the hub. Expected sdpa or "
            "eager. Correct config.json, or uninstall kernels."
        )
