"""Masked language models: built or loaded, and run with their head at the selected positions only.

The wrapped module's own `forward` computes the loss, so that data-parallel wrappers and
`torch.compile` see it. Nothing here knows a corpus; `runs/initial_model.py`
checks whether they fit.
"""

from tidemask.modeling.building import build_model
from tidemask.modeling.documents import document_starts, separation_problem
from tidemask.modeling.loading import (
    StartingWeights,
    load_model,
    load_starting_weights,
    quietly,
)
from tidemask.modeling.positions import missing_positions, num_positions
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.modeling.sizes import MODEL_SIZES, ModelShape

__all__ = [
    "MODEL_SIZES",
    "ModelSettings",
    "ModelShape",
    "SelectedPositionsLM",
    "StartingWeights",
    "build_model",
    "document_starts",
    "load_model",
    "load_starting_weights",
    "missing_positions",
    "num_positions",
    "quietly",
    "separation_problem",
]
