"""The other candidates: transformers, seqmask if it is installed, and three bounds.

All mask 15 % of the maskable tokens, 80 % of them by the mask token and 10 % by a random one, where
they can; the bounds only put the mask token. Modes: `alone` begins with the ids as an int64 tensor
(or array, for numpy and seqmask) and leaves them as they are, which costs transformers a copy, for
it writes into its input. `as called` begins with a list of examples. transformers gets them as
tokenizers give them, lists of Python integers; the others, which have no collator, stack rows.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DataCollatorForLanguageModeling

from benchmarks.masking.candidates import REFERENCE, Candidate, Mode
from benchmarks.masking.data import MaskingData
from tidemask.token_classes import CONTENT_UPOS, UPOS

RATIO = 0.15
IGNORED = -100

_Pair = Callable[[Tensor, Tensor], tuple[Any, Any]]
"""From ids and maskable positions to masked ids and labels."""


def candidates(data: MaskingData) -> list[Candidate]:
    """All that are not tidemask's, in both modes."""
    return [
        *_transformers(data),
        *_seqmask(data),
        *_bounds(data),
    ]


def _candidate(
    group: str,
    policy: str,
    mode: Mode,
    call: Callable[[int], Any],
    *,
    share: float | None = RATIO,
) -> Candidate:
    return Candidate(
        group=group, policy=policy, mode=mode, call=call, labels=_labels_of, share=share
    )


def _labels_of(result: Any) -> Tensor:
    labels = result[1] if isinstance(result, tuple) else result["labels"]
    return torch.as_tensor(labels)


def _transformers(data: MaskingData) -> list[Candidate]:
    """Its collator for tokens and for whole words."""
    tokenizer = data.language.tokenizer
    tokens = DataCollatorForLanguageModeling(tokenizer, mlm_probability=RATIO, seed=0)
    with warnings.catch_warnings():
        # "Random token replacement is not supported with whole word masking."
        warnings.simplefilter("ignore", UserWarning)
        words = DataCollatorForLanguageModeling(
            tokenizer, mlm_probability=RATIO, whole_word_mask=True, seed=0
        )
    for collator in (tokens, words):
        collator.create_rng()
    ids = data.batch.input_ids
    special = ~data.batch.maskable
    special_array = special.numpy().astype(np.int64)
    offsets = np.array([row["offset_mapping"] for row in data.lists])
    as_lists = [
        {name: value for name, value in row.items() if name != "offset_mapping"}
        for row in data.lists
    ]
    as_arrays = [{name: np.array(value) for name, value in row.items()} for row in as_lists]
    return [
        _candidate("transformers", REFERENCE, "as called", lambda _: tokens(as_lists)),
        _candidate(
            "transformers", f"{REFERENCE}, numpy rows", "as called", lambda _: tokens(as_arrays)
        ),
        _candidate(
            "transformers",
            REFERENCE,
            "alone",
            lambda _: tokens.torch_mask_tokens(ids.clone(), special_tokens_mask=special),
        ),
        _candidate("transformers", "whole words", "as called", lambda _: words(data.lists)),
        _candidate(
            "transformers",
            "whole words",
            "alone",
            lambda _: words.torch_mask_tokens(
                ids.clone(), special_tokens_mask=special_array, offset_mapping=offsets
            ),
        ),
    ]


def _stacked(data: MaskingData) -> NDArray[np.int64]:
    return np.stack([row["input_ids"] for row in data.rows]).astype(np.int64)


def import_seqmask() -> Any | None:
    """The package seqmask, or `None` with a note; what it prints on import is dropped."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import seqmask
    except ImportError:
        print(
            "seqmask is not installed: its rows are left out "
            "(pip install --no-deps seqmask==1.0.0)",
            file=sys.stderr,
        )
        return None
    return seqmask


def _seqmask(data: MaskingData) -> list[Candidate]:
    """Its uniform masking, its two ways to prefer some positions, and its spans."""
    seqmask = import_seqmask()
    if seqmask is None:
        return []
    vocabulary = data.language.vocabulary
    ids = {
        "mask_token_id": vocabulary.mask_id,
        "valid_token_ids": vocabulary.ordinary_ids.tolist(),
        "special_token_ids": sorted(vocabulary.special_ids),
    }
    preferred = _content_words(data)
    # With twice the probability at a share f of the tokens, 1 + f times as many are masked.
    boosted = float(preferred.sum() / data.batch.maskable.sum())
    spans = seqmask.HybridSpanMasking(
        mlm_prob=RATIO,
        mlm_concentration=1e9,
        span_fraction_mean=1.0,
        span_fraction_concentration=1.0,
        span_length_p=0.2,
        max_span_length=10,
        masking_prob=0.8,
        mutation_prob=0.1,
        **ids,
    )

    def categorical(ratio: float, **focus: Any) -> Any:
        sampler = seqmask.MLMProbabilitySampler([ratio], [0.8], [0.1])
        return seqmask.CategoricalMasking(sampler, **ids, **focus)

    uniform = categorical(RATIO)
    doubled = categorical(RATIO / (1.0 + boosted), focus_strategy="multiplicative")
    weighted = categorical(RATIO, focus_strategy="weighted")
    maskings: dict[str, Callable[[Any, int], Any]] = {
        REFERENCE: lambda x, step: uniform(x, seed=step),
        "focus, multiplicative": lambda x, step: doubled(x, seed=step, focus_positions=preferred),
        "focus, weighted": lambda x, step: weighted(x, seed=step, focus_positions=preferred),
        "spans of tokens": lambda x, step: spans(x, seed=step),
    }
    array = data.batch.input_ids.numpy()
    found = []
    for policy, mask in maskings.items():
        # the last span of a sequence runs past the budget
        share = None if mask is maskings["spans of tokens"] else RATIO
        found += [
            _candidate(
                "seqmask",
                policy,
                "alone",
                lambda step, mask=mask: mask(array, step),
                share=share,
            ),
            _candidate(
                "seqmask",
                policy,
                "as called",
                lambda step, mask=mask: mask(torch.from_numpy(_stacked(data)), step),
                share=share,
            ),
        ]
    return found


def _content_words(data: MaskingData) -> NDArray[np.bool_]:
    classes = data.batch.token_class
    assert classes is not None, "the benchmark's batches have classes"
    content = [UPOS.index(name) for name in CONTENT_UPOS]
    return np.isin(classes.numpy(), content)


def _bounds(data: MaskingData) -> list[Candidate]:
    """What a masker costs at least: in numpy, in torch, and as memory traffic alone."""
    mask_id = data.language.vocabulary.mask_id
    array_generator = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)

    def in_numpy(ids: Tensor, maskable: Tensor) -> tuple[Any, Any]:
        original = ids.numpy()
        drawn = (array_generator.random(original.shape) < RATIO) & maskable.numpy()
        return np.where(drawn, mask_id, original), np.where(drawn, original, IGNORED)

    def in_torch(ids: Tensor, maskable: Tensor) -> tuple[Any, Any]:
        drawn = (torch.rand(ids.shape, generator=generator) < RATIO) & maskable
        return torch.where(drawn, mask_id, ids), torch.where(drawn, ids, IGNORED)

    def copy(ids: Tensor, maskable: Tensor) -> tuple[Any, Any]:
        del maskable
        return ids.clone(), torch.full_like(ids, IGNORED)

    return [
        *_bound(data, "numpy", "draw, compare, choose", in_numpy),
        *_bound(data, "torch", "draw, compare, choose", in_torch),
        *_bound(data, "memory copy", "copy and fill", copy, share=0.0),
    ]


def _bound(
    data: MaskingData, group: str, policy: str, mask: _Pair, *, share: float = RATIO
) -> list[Candidate]:
    ids, maskable = data.batch.input_ids, data.batch.maskable
    is_ordinary = ~data.language.vocabulary.is_special

    def called(_: int) -> Any:
        stacked = torch.from_numpy(_stacked(data))
        masked = mask(stacked, is_ordinary[stacked])
        return tuple(torch.as_tensor(part) for part in masked)

    return [
        _candidate(group, policy, "alone", lambda _: mask(ids, maskable), share=share),
        _candidate(group, policy, "as called", called, share=share),
    ]
