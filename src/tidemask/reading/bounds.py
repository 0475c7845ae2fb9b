"""How long a file of each kind may be: a longer one is refused before memory is spent on it."""

from __future__ import annotations

MAX_YAML_BYTES = 250_000
"""Settings have a few thousand; PyYAML takes seconds for this many."""

MAX_LIST_BYTES = 10_000_000
"""A list of the files of a directory: 30 bytes for each of some hundreds of thousands."""

MAX_SEAL_BYTES = 50_000_000
"""The list of a checkpoint's files: 130 bytes for each of some tens, or of every rank of a sharded
run."""

MAX_INDEX_BYTES = 500_000_000
"""The index of weights in several files: 100 bytes for each of up to some 100,000 tensors."""

MAX_TOKENIZER_BYTES = 1_000_000_000
"""A tokenizer's configuration: 200 bytes for each token that was added, of at most 2**22."""

ANY_LENGTH = None
"""What we write ourselves and what grows with the work: the manifest with its sources, results,
the environment, and the state of a checkpoint, which may have a loss for each vocabulary entry."""
