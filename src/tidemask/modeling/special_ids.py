"""The special ids that a configuration records: those of the tokenizer that a model reads."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

RECORDED_BY_ALL = (
    "pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id",
)  # fmt: skip
"""Names that the configuration of any architecture may have."""

_RECORDED_BY_SOME = {
    "mask_token_id": "mask_token_id", "mask_index": "mask_token_id", "unk_index": "unk_token_id",
}  # fmt: skip
"""Further names, and the tokenizer's for the same: ESM takes the embeddings of masked tokens away,
by the id that its configuration has; EuroBERT and XLM have such ids, too."""


def special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int | None]:
    """The special ids of a tokenizer by all names that configurations have for them."""
    usual = {name: getattr(tokenizer, name, None) for name in RECORDED_BY_ALL}
    return usual | {name: getattr(tokenizer, own, None) for name, own in _RECORDED_BY_SOME.items()}


def record_special_ids(config: PreTrainedConfig, special: Mapping[str, int | None]) -> None:
    """Let a configuration have the special ids of a tokenizer, in place.

    Args:
        config: of any architecture; it gets the names that some alone have only where it has them.
        special: ids by name, as `special_ids` gives them. An id that a tokenizer has not is not
            recorded by the names that some alone have, which must be ids.
    """
    for name, token_id in special.items():
        if name in RECORDED_BY_ALL or (token_id is not None and hasattr(config, name)):
            setattr(config, name, token_id)
