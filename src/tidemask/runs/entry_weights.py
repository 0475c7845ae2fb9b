"""Weights of vocabulary entries from the files that a policy names: read, checked, recorded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.weighting import ByEntries, Weighting
from tidemask.reading.bounds import MAX_INDEX_BYTES
from tidemask.reading.compression import without_compression
from tidemask.reading.text import first_of, read_text, shown_json
from tidemask.reading.typed_json import parse_json
from tidemask.runs.policy_contents import with_contents


@dataclass(frozen=True)
class ListedWeights:
    """What a file of weights has for a vocabulary.

    Attributes:
        path: of the file.
        fingerprint: SHA-256 of its text, hexadecimal.
        table: weight of each id, float64, NaN where the file has none.
        unknown: entries of the file that the vocabulary lacks.
    """

    path: Path
    fingerprint: str
    table: Float[Tensor, "V"]
    unknown: tuple[str, ...]


def listed_weights(content: ByEntries, ids: Mapping[str, int], vocab_size: int) -> ListedWeights:
    """The weights that a file has for the entries of a vocabulary.

    Args:
        content: names the file.
        ids: of the entries of the vocabulary, as `get_vocab` of a tokenizer gives them.
        vocab_size: number of ids.

    Raises:
        UserError: there is no such file, it is damaged, has a weight that is negative or not
            finite, names no entry of the vocabulary, or is not what it was when a run was made.
    """
    path, text, fingerprint = _read(content)
    table = torch.full((vocab_size,), math.nan, dtype=torch.float64)
    unknown = []
    for entry, weight in _pairs(path, text).items():
        if entry in ids:
            table[ids[entry]] = weight
        else:
            unknown.append(entry)
    if bool(table.isnan().all()):
        some = f" such as {shown_json(unknown[0])}" if unknown else ""
        raise UserError(
            f"unusable weights: {path} names no entry of the vocabulary{some}. Expected entries as "
            f"the vocabulary spells them, such as {shown_json(min(ids, key=ids.__getitem__))}."
        )
    return ListedWeights(path, fingerprint, table, tuple(unknown))


def _read(content: ByEntries) -> tuple[Path, str, str]:
    """The file that a weighting names, its text, and the fingerprint of that.

    Raises:
        UserError: as `listed_weights`; it has another fingerprint than the weighting records.
    """
    path = given_path(content.weights, "masking.content.weights")
    text = read_text(path, MAX_INDEX_BYTES, "unusable weights")
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    if content.fingerprint not in (None, fingerprint):
        raise UserError(
            f"weights changed: {path} has the fingerprint {fingerprint}, the run was made for "
            f"{content.fingerprint}. Restore the file, or start a new run with "
            "masking.content.fingerprint=null."
        )
    return path, text, fingerprint


def _pairs(path: Path, text: str) -> dict[str, float]:
    """Weights by entry, checked."""
    if without_compression(path.name).endswith(".json"):
        pairs = parse_json(text, dict[str, float], f"weights: {path}")
    else:
        pairs = _lines(path, text)
    for entry, weight in pairs.items():
        if not 0.0 <= weight < math.inf:
            raise UserError(
                f"unusable weights: {path}: {shown_json(entry)} has the weight {weight:g}. "
                "Expected finite weights of at least 0."
            )
    return pairs


def _lines(path: Path, text: str) -> dict[str, float]:
    pairs: dict[str, float] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"unusable weights: {path}, line {number}: {shown_json(line)}"
        entry, tab, weight = line.rpartition("\t")
        if entry in pairs:
            raise UserError(f"{where} names its entry again. Expected each entry once.")
        try:
            pairs[entry] = float(weight if tab else "")
        except ValueError:
            raise UserError(f"{where}. Expected an entry, a tab and a number.") from None
    return pairs


def recorded(masking: MaskingSettings) -> MaskingSettings:
    """The policy with absolute paths and fingerprints of the files that it names.

    Raises:
        UserError: a file is missing, too long, or not what the policy has recorded of it.
    """

    def of_content(content: Weighting) -> Weighting:
        if not isinstance(content, ByEntries):
            return content
        path, _, fingerprint = _read(content)
        return replace(content, weights=str(path.resolve()), fingerprint=fingerprint)

    return with_contents(masking, of_content)


def coverage_note(listed: ListedWeights, counts: Int[Tensor, "V"]) -> str:
    """How much of a vocabulary and of a corpus a file has weights for, in a sentence.

    Args:
        listed: what the file has.
        counts: how often each id occurs in the corpus.
    """
    has_weight = ~listed.table.isnan()
    share = float(counts[has_weight].sum() / counts.sum().clamp(min=1))
    note = (
        f"{listed.path.name} has weights for {int(has_weight.sum()):,} of {len(counts):,} "
        f"vocabulary entries, {share:.1%} of the training tokens"
    )
    if not listed.unknown:
        return f"{note}."
    return f"{note}; the vocabulary lacks {first_of(listed.unknown)}."
