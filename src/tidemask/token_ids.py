"""How many ids the entries of a tokenizer take, which may have holes but never share an id."""

from __future__ import annotations

from collections.abc import Mapping


def num_ids(entries: Mapping[str, int]) -> int:
    """One more than the largest id of a vocabulary, added tokens included.

    It is the number of rows that an embedding needs, and more than that of the entries where there
    are holes. Then an added token may be one of the entries: tokenizers gives it the number of
    entries as its id, whatever its file says.

    Args:
        entries: id of each token.

    Raises:
        ValueError: two tokens have one id, which a model cannot tell apart.

    Example:
        >>> num_ids({"[PAD]": 0, "river": 1, "winter": 5})
        6
        >>> num_ids({"[PAD]": 0, "winter": 2, "[MASK]": 2})
        Traceback (most recent call last):
        ValueError: tokens '[MASK]' and 'winter' have the id 2. Expected one token an id. ...
    """
    spelled = {token_id: token for token, token_id in entries.items()}
    if len(spelled) < len(entries):
        shared = [token for token, token_id in entries.items() if spelled[token_id] != token]
        token_id, token = min((entries[token], token) for token in shared)
        first, second = sorted((token, spelled[token_id]))
        raise ValueError(
            f"tokens {first!r} and {second!r} have the id {token_id}. Expected one token an id. "
            "Number the entries of its tokenizer.json from 0 without holes, or give added tokens "
            "entries of their own in its vocabulary."
        )
    return max(entries.values()) + 1
