"""The log-probability of each token of a text with that token masked, for many texts at once.

Each token that is scored makes one masked copy of its text. Copies of equal length run together, so
that nothing is padded and no attention mask is needed; equal copies run once, as those of a minimal
pair that mask the one token in which its sentences differ; and the head is computed at the one
position that is scored, as is the last layer of the encoders that `one_position.py` knows.

`original` masks the token (Salazar et al., "Masked Language Model Scoring", 2020, arXiv
1910.14659); `within_word_l2r` masks the tokens to its right in the same word as well (Kauf and
Ivanova 2023, arXiv 2305.10588), without which the rest of a word gives it away.

Dimensions: `N` tokens of a text that are scored, `L` positions, `M` masked copies, `U` different
ones, `H` hidden size, `V` vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tidemask.errors import UserError
from tidemask.modeling.configuration import num_positions
from tidemask.modeling.heads import HEADS
from tidemask.modeling.padding_id import unpadded
from tidemask.modeling.precision import check_precision, resolved_precision
from tidemask.modeling.settings import PrecisionChoice
from tidemask.progress import ProgressCallback, ignore
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.zero_shot.one_position import encode_at, is_like_bert
from tidemask.tasks.zero_shot.text_tokens import (
    Ids,
    ScoringTokenizer,
    TextTokens,
    check_largest_id,
)

PLLVariant = Literal["original", "within_word_l2r"]
Floats = NDArray[np.float64]

_POSITIONS_ON_CPU, _POSITIONS_ON_GPU = 1 << 12, 1 << 16
"""Positions in one forward pass; so few that a small model's activations stay in a CPU's cache."""
_LOGITS_ON_CPU, _LOGITS_ON_GPU = 1 << 22, 1 << 27
"""Logits in one forward pass."""
_POSITIONS_OF_GROUP = 1 << 20
"""Positions of the copies among which equal ones are found."""


@dataclass(frozen=True, kw_only=True)
class ScoringSettings(Settings):
    """How texts are scored."""

    variant: PLLVariant = "original"
    """What is masked together with a token: nothing (`original`), or what follows it in its word
    (`within_word_l2r`)."""
    precision: PrecisionChoice = "auto"
    """Precision of the encoder: `float32`, `bf16` by autocast, or `auto`: bf16 where the GPU or the
    instructions of the CPU multiply in it. The vocabulary projection and the softmax are always
    float32."""
    batch_tokens: int = 0
    """Positions in one forward pass; 0 chooses by the device."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, kind in (("variant", PLLVariant), ("precision", PrecisionChoice)):
            if getattr(self, name) not in get_args(kind):
                known = " or ".join(get_args(kind))
                raise ValueError(f"{name}={getattr(self, name)}. Expected {known}.")
        check_at_least("batch_tokens", self.batch_tokens, 0)


class Scorer:
    """Scores texts with a model.

    Args:
        model: an `AutoModelForMaskedLM`, on its device; it is put into evaluation mode.
        tokenizer: a fast one, of the model.
        settings: how tokens are masked and computed.

    Attributes:
        tokenizer: encodes texts as `log_probabilities` takes them.
        max_length: positions of the model; `None` if it sets no limit.
        precision: the one that the settings mean for the model on its device.

    Raises:
        UserError: the tokenizer is not fast, or has no mask token.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: ScoringSettings | None = None,
    ) -> None:
        self.settings = settings or ScoringSettings()
        self.model = model.eval()  # type: ignore[no-untyped-call]
        self.tokenizer = ScoringTokenizer(tokenizer)
        self.max_length = num_positions(model)
        device, architecture = model.device.type, str(model.config.model_type)
        self.precision = resolved_precision(self.settings.precision, device, architecture)
        check_precision("scoring.precision", self.precision, device)
        self._head = HEADS.get(str(model.config.model_type))
        self._is_like_bert = is_like_bert(model)
        logits = _LOGITS_ON_CPU if model.device.type == "cpu" else _LOGITS_ON_GPU
        self._max_projected = logits // int(model.config.vocab_size)
        self._max_positions = self.settings.batch_tokens or positions_at_once(model.device)

    @torch.inference_mode()
    def log_probabilities(
        self,
        texts: Sequence[TextTokens],
        on_progress: ProgressCallback = ignore,
    ) -> list[Floats]:
        """The log-probability of each token of each text, given what is not masked with it.

        Args:
            texts: none longer than `max_length`.
            on_progress: called with the stage `scoring`, the tokens scored and their number.

        Returns:
            For each text float64 [N], nats, computed in float32.

        Raises:
            UserError: an id that the model does not have, or scores that are not finite.
        """
        largest = max((int(text.ids.max()) for text in texts if len(text)), default=0)
        check_largest_id(largest, int(self.model.config.vocab_size))
        scores = [np.empty(len(text)) for text in texts]
        total, done = sum(map(len, texts)), 0
        for group in _groups(texts):
            members = [texts[index] for index in group]
            copies = _masked_copies(members, self.settings.variant, self.tokenizer.mask_id)
            before = done

            def on_scored(number: int, before: int = before) -> None:
                on_progress("scoring", before + number, total)

            found = self._of_copies(copies, on_scored)
            ends = np.cumsum([len(text) for text in members])
            for index, part in zip(group, np.split(found, ends[:-1]), strict=True):
                scores[index] = part
            done += len(found)
        return scores

    def _of_copies(self, copies: _Copies, on_scored: Callable[[int], None]) -> Floats:
        """Log-probability of each copy's target, float64 [M]."""
        # Only one of each set of equal copies runs, `step` sets in a forward pass. With the copies
        # sorted by set, those of one pass are neighbours, between two of the `borders`.
        first, which = copies.different()
        order = np.argsort(which, kind="stable")
        length = copies.ids.shape[1]
        projected = 1 if self._head is not None else length
        step = max(1, min(self._max_projected // projected, self._max_positions // length))
        borders = np.searchsorted(which[order], np.arange(0, len(first) + step, step))
        # In one piece: small tensors that stay between large ones that go make the heap grow.
        found = torch.empty(len(order), device=self.model.device)
        for number, begin in enumerate(range(0, len(first), step)):
            batch = first[begin : begin + step]
            logits = self._logits(copies.ids[batch], copies.places[batch])
            log_softmax = logits.log_softmax(1)  # on a CPU in half the time of `logsumexp`
            here = slice(borders[number], borders[number + 1])
            members = order[here]
            rows = self._on_device(which[members] - begin)
            targets = self._on_device(copies.targets[members])
            found[here] = log_softmax[rows, targets]
            on_scored(int(borders[number + 1]))
        result = np.empty(len(order))
        result[order] = found.double().cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError(
                f"scores are not finite: the weights of {self.model.name_or_path or 'the model'} "
                "are damaged, or its training diverged. Measure an earlier checkpoint."
            )
        return result

    def _logits(self, ids: Ids, places: Ids) -> Tensor:
        """Logits at one place of each copy, float32 [U, V]."""
        device = self.model.device
        is_bf16 = self.precision == "bf16"
        rows = torch.arange(len(ids), device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
            features = self._at(self._on_device(ids), rows, self._on_device(places)).float()
        if self._head is None:
            return features
        return nn.functional.linear(*self._head(self.model, features))

    def _at(self, ids: Tensor, rows: Tensor, places: Tensor) -> Tensor:
        """What the head takes at one place of each copy [U, H]; without a head, logits [U, V]."""
        if self._head is None:
            logits: Tensor = self.model(**unpadded(self.model, ids)).logits
            return logits[rows, places]
        if self._is_like_bert:
            return encode_at(self.model, ids, rows, places)
        hidden: Tensor = self.model.base_model(input_ids=ids)[0]
        return hidden[rows, places]

    def _on_device(self, values: NDArray[np.int32] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values).to(self.model.device).long()


class _Copies(NamedTuple):
    """Masked copies of texts of one length."""

    ids: Ids  # [M, L], with the mask token at what must not be seen
    places: Ids  # [M], where each copy is scored
    targets: Ids  # [M], the original ids at those places

    def different(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first of each set of equal copies [U], and the set that each copy is of [M]."""
        # Copies are equal if their ids and their place are, whatever they have masked there. Rows
        # are compared as single values of many bytes, which `unique` sorts much faster than rows.
        keys = np.ascontiguousarray(np.column_stack([self.ids, self.places]))
        whole = keys.view(np.dtype((np.void, keys.itemsize * keys.shape[1]))).ravel()
        _, first, which = np.unique(whole, return_index=True, return_inverse=True)
        return first, which


def positions_at_once(device: torch.device) -> int:
    """How many positions one forward pass takes on a device."""
    return _POSITIONS_ON_CPU if device.type == "cpu" else _POSITIONS_ON_GPU


def _masked_copies(texts: Sequence[TextTokens], variant: PLLVariant, mask_id: int) -> _Copies:
    """One copy for each token of texts of one length, in their order.

    The copy hides the token and, in the variant `within_word_l2r`, the rest of its word: the
    positions from its place to before the end of its word.
    """
    places = np.concatenate([text.places for text in texts])
    ends = np.concatenate([text.scored_word_ends for text in texts])
    if variant == "original":
        ends = places + 1
    columns = np.arange(len(texts[0].ids))
    masked = (columns >= places[:, None]) & (columns < ends[:, None])
    whole = np.repeat(np.stack([text.ids for text in texts]), [len(t) for t in texts], axis=0)
    return _Copies(
        np.where(masked, np.int32(mask_id), whole),
        places,
        np.concatenate([text.targets for text in texts]),
    )


def _groups(texts: Sequence[TextTokens]) -> Iterator[list[int]]:
    """Indices of texts of one length, so many that their copies fit into memory; no empty text."""
    # A text of `length` positions makes up to `length` copies of as many positions.
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        if len(text):
            by_length[len(text.ids)].append(index)
    for length, members in sorted(by_length.items()):
        size = max(1, _POSITIONS_OF_GROUP // length**2)
        yield from (members[begin : begin + size] for begin in range(0, len(members), size))
