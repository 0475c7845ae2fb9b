"""Processor time of training tokenizers of each kind on a text, and of extending them.

    python benchmarks/preparing/training_tokenizers.py --text books-1M.txt.xz

The text is read whole, with blank lines between documents. Tokenizers have 8,192 entries; those
that are extended by 500 have 2,000.
"""

from __future__ import annotations

import lzma
import sys
import time
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser

_ENTRIES, _SMALL, _ADDED = 8192, 2000, 500


def measure(texts: list[str]) -> None:
    """Print a line for each kind."""
    from tidemask.corpus.tokenizing.extension import extended
    from tidemask.corpus.tokenizing.normalization import TextNormalization
    from tidemask.corpus.tokenizing.training import TokenizerKind, tokenizer_trainer

    for kind in get_args(TokenizerKind):
        seconds = []
        trained = None
        for size in (_ENTRIES, _SMALL):
            trainer = tokenizer_trainer(kind, vocab_size=size, normalization=TextNormalization())
            begun = time.process_time()
            trained = trainer.train(lambda: iter(texts))
            seconds.append(time.process_time() - begun)
        assert trained is not None
        begun = time.process_time()
        extended(trained, lambda: iter(texts), _ADDED, kind)
        added = time.process_time() - begun
        print(f"{kind:10} trained {seconds[0]:5.1f} s, extended by {_ADDED} {added:5.1f} s")


def main() -> None:
    """Run the command."""
    parser = OneLineParser(prog="training_tokenizers.py", description="Time of training.")
    parser.add_argument("--text", type=Path, required=True, help="plain or .xz")
    options = parser.parse_args()
    if not options.text.is_file():
        parser.error(f"--text {options.text}: expected a file")
    content = options.text.read_bytes()
    plain = (lzma.decompress(content) if options.text.suffix == ".xz" else content).decode()
    measure([one for one in plain.split("\n\n") if one.strip()])


if __name__ == "__main__":
    main()
