"""Fields of settings refuse another type, in one line, and keep values as Python writes them."""

from __future__ import annotations

import numpy as np
import pytest

import tidemask
from cases import all_cases
from settings_classes import FIELDS
from tidemask import TrainingSettings
from tidemask.masking.mixture import ContentPart
from tidemask.masking.sequence_ratio import RatioPart, Same
from tidemask.masking.weighting import ByFrequency
from tidemask.studies.definition import Arm

pytestmark = pytest.mark.usefixtures("types_unchecked")

REQUIRED = {
    "ByTable": {"weights": {"A": 1.0}},
    "ByColumn": {"column": "scores"},
    "ByEntries": {"weights": "weights.tsv"},
    "Grouped": {"group": "phrases"},
    "ByClassStatistic": {"statistic": "loss"},
    "ByMixture": {"parts": (ContentPart(share=1.0, content=ByFrequency()),)},
    "ContentPart": {"share": 1.0, "content": ByFrequency()},
    "RatioMixture": {"parts": (RatioPart(share=1.0, of=Same()),)},
    "RatioPart": {"share": 1.0, "of": Same()},
    "SequencePart": {"share": 1.0},
    "PolicyPhase": {"until": 1.0},
    "Phase": {"until": 1.0, "ratio": 0.5},
    "MeanOf": {"of": tidemask.load_recipe("mrd-linear").masking.ratio},
    "ContinuedFrom": {"run": "r", "step": 8},
    "CorpusReference": {"path": "c", "fingerprint": "f"},
    "TextTaskSettings": {"name": "t"},
    "TaggingTaskSettings": {"name": "t"},
    "UserTask": {"name": "t", "data": "d"},
    "UserTaggingTask": {"name": "t", "data": "d"},
    "Arm": {"recipe": "bert"},
    "ListedSource": {"name": "web", "text": "web.txt"},
    "TuneDefinition": {"corpus": "c", "corpus_fingerprint": "f", "recipe": "bert",
                       "recipe_fingerprint": "f"},
    "StudyDefinition": {
        "corpus": "c", "baseline": "a", "seeds": (0,),
        "arms": {"a": Arm(recipe="bert"), "b": Arm(recipe="ettin")},
    },
}  # fmt: skip


@all_cases(("kind", "name"), sorted(FIELDS, key=str), ids=lambda v: getattr(v, "__name__", v))
def test_public_settings_refuse_a_field_of_another_type(kind: type, name: str) -> None:
    given = REQUIRED.get(kind.__name__, {})
    kind(**given)
    for value in (object(), {"a": object()}, [object()]):
        with pytest.raises(ValueError, match=f"^([a-z ]+: )?{name}=.* Expected [^\n]+$"):
            kind(**{**given, name: value})


def test_public_settings_keep_what_they_were_given_as_python_writes_it() -> None:
    by_hand = TrainingSettings(max_grad_norm=1, report_to=["none"], learning_rate=np.float64(1e-3))
    assert (by_hand.report_to, type(by_hand.max_grad_norm)) == (("none",), float)
    assert type(by_hand.learning_rate) is float
