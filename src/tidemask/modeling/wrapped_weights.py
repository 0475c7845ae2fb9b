"""Weights that were saved within a wrapper, and rows that an embedding lacks.

`torch.compile` calls a weight `_orig_mod.NAME`, and `DistributedDataParallel` `module.NAME`. Saved
so, transformers finds none of them. Here the wrapper's part of the names is left out, with a note.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from tidemask.pretrained import from_pretrained

_WITHOUT_WRAPPER = {r"^(?:module\.|_orig_mod\.)+": "", r"\._orig_mod\.": "."}
_WRAPPER = re.compile(r"^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.")


def load_unwrapped(
    auto_class: Any, place: str | Path, **options: Any
) -> tuple[Any, dict[str, Any], str | None]:
    """A model with its loading report, and a note on the names of its weights if they were changed.

    Args:
        auto_class: such as `AutoModelForMaskedLM`.
        place: a directory, or a name on the hub.
        options: of `from_pretrained`.

    Raises:
        UserError: as `pretrained.from_pretrained`, like other exceptions.
    """
    random_state = torch.get_rng_state()
    model, report = from_pretrained(auto_class, place, output_loading_info=True, **options)
    wrapped = [name for name in sorted(report["unexpected_keys"]) if _WRAPPER.search(name)]
    if not (wrapped and report["missing_keys"]):
        return model, report, None
    torch.set_rng_state(random_state)  # new weights are those that the same file without gets
    model, report = from_pretrained(
        auto_class, place, output_loading_info=True, key_mapping=_WITHOUT_WRAPPER, **options
    )
    left_out = " and ".join(sorted({str(_WRAPPER.findall(name)[0]) for name in wrapped}))
    note = (
        f"{place} was saved from within a wrapper (torch.compile or DistributedDataParallel): "
        f"{left_out} is left out of the names of {len(wrapped)} weights, such as {wrapped[0]}."
    )
    return model, report, note


def how_to_resize(place: str | Path, num_ids: int, model: PreTrainedModel) -> str:
    """What to do about a model that has fewer rows of embeddings than its tokenizer has ids.

    Args:
        place: its directory, or its name on the hub.
        num_ids: of the tokenizer.
        model: it, with or without its weights.
    """
    inputs: Any = model.get_input_embeddings()
    outputs: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if outputs is not None and len(outputs.weight) != len(inputs.weight):
        return (  # transformers takes another layer of the head of DeBERTa-v3 for them
            f"transformers cannot give further rows to this kind of {model.config.model_type}: put "
            "its tokenizer there without the tokens that were added. `tidemask prepare "
            "--extend-vocabulary` adds entries, and training on that corpus their embeddings."
        )
    return (
        "Give the model rows for tokens that were added to its tokenizer, in Python: "
        f"model = AutoModelForMaskedLM.from_pretrained({str(place)!r}); "
        f"model.resize_token_embeddings({num_ids}); model.save_pretrained({str(place)!r})."
    )
