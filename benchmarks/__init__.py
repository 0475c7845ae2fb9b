"""Measurements of the package, one folder for each subject; they reach no network.

`masking`, `training` and `scoring` measure speed beside other libraries, `scoring` also what a
precision does to scores, `evaluation` whether held-out losses are what they say, `statistics` how
often intervals hold the truth, `reliability` whether a run survives kills and hours, `fuzzing` what
commands say of damaged files; `policies` draws what masking policies do, and `studies` fills the
pages of results and times the demonstration. Each is started by its path, such as
`python benchmarks/masking/speed.py`; results stand in `results`, with the machine and the versions
they were measured on. `tables_of_pages.py` writes the tables of pages whose words are written by
hand.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""
