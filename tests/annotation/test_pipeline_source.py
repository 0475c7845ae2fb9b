"""Columns from spaCy pipelines, against the pipelines' own analysis of the texts."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tidemask
from annotated_corpora import TEXTS, PlacedToken, column_values, placed_tokens, prepared
from tidemask import UserError
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.token_classes import NO_CLASS, NO_GROUP

spacy = pytest.importorskip("spacy")

ENTITIES = {"quiet river": "PLACE", "Marta": "NAME", "old dog": "ANIMAL", "fox": "ANIMAL"}
PARSED = [
    ("the old dog saw a river", [2, 2, 3, 3, 5, 3], "det amod nsubj ROOT det dobj"),
    ("a fox met the quiet winter", [1, 2, 2, 5, 5, 2], "det nsubj ROOT det amod dobj"),
    ("Marta crossed the river", [1, 1, 3, 1], "nsubj ROOT det dobj"),
]
NOUNS = "dog fox river winter Marta"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with rules for entities, nouns and numbers, and a parser that knows three sentences."""
    nlp = spacy.blank("en")
    rules = nlp.add_pipe("attribute_ruler")
    nlp.add_pipe("parser", config={"min_action_freq": 1})
    entities = nlp.add_pipe("entity_ruler")
    examples = [
        spacy.training.Example.from_dict(
            nlp.make_doc(text), {"heads": heads, "deps": labels.split()}
        )
        for text, heads, labels in PARSED
    ]
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: examples)  # which forgets all rules
    optimizer = nlp.create_optimizer()
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    rules.add([[{"TEXT": noun}] for noun in NOUNS.split()], {"POS": "NOUN", "MORPH": "Number=Sing"})
    rules.add([[{"LOWER": "saw"}]], {"POS": "VERB", "MORPH": "Number=Plur|VerbForm=Fin"})
    entities.add_patterns([{"label": label, "pattern": text} for text, label in ENTITIES.items()])
    directory = tmp_path_factory.mktemp("pipelines") / "small"
    nlp.to_disk(directory)
    return directory


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("analysed")
    return prepared(root, tokenizer_kind=request.param, vocab_size=420)


def values_of(corpus: Path, pipeline: Path, attribute: str, **settings: Any) -> Any:
    name = f"{attribute.replace(':', '_')}_{settings.get('workers')}"
    made = tidemask.annotate(
        corpus, column=name, source=f"spacy:{pipeline}", attribute=attribute,
        **{"workers": 1, "progress": False, **settings},
    )  # fmt: skip
    return made.manifest, column_values(corpus, name)


@pytest.fixture(scope="module")
def docs(pipeline: Path) -> list[Any]:
    """What the pipeline itself makes of the texts."""
    return list(map(spacy.load(pipeline), TEXTS))


def with_spacy_tokens(corpus: Path, docs: list[Any]) -> Iterator[tuple[PlacedToken, Any]]:
    """Every token whose word meets one spaCy token alone, with that one."""
    words = [
        list(words_in(one)) for one in load_tokenizer(corpus / "tokenizer").encoder().encode(TEXTS)
    ]
    for token in placed_tokens(corpus):
        begin, end = next(w for w in words[token.text] if w[0] <= token.start < w[1])
        met = [t for t in docs[token.text] if t.idx < end and begin < t.idx + len(t)]
        if len(met := [t for t in met if not t.is_space]) == 1:
            yield token, met[0]


def words_in(encoded: Any) -> Iterator[tuple[int, int]]:
    bounds = [*np.flatnonzero(encoded.word_starts).tolist(), len(encoded.ids)]
    for first, after in pairwise(bounds):
        yield int(encoded.starts[first:after].min()), int(encoded.ends[first:after].max())


CLASSES: dict[str, Callable[[Any], str]] = {
    "ent_type": lambda token: token.ent_type_,
    "dep": lambda token: token.dep_,
    "morph:Number": lambda token: ",".join(token.morph.get("Number")),
}


@pytest.mark.slow
@pytest.mark.parametrize("attribute", CLASSES)
def test_pipeline_gives_tokens_the_class_of_the_spacy_token(
    corpus: Path, pipeline: Path, docs: list[Any], attribute: str
) -> None:
    manifest, values = values_of(corpus, pipeline, attribute)
    names = manifest.class_names
    assert names == tuple(sorted(names))
    pairs = list(with_spacy_tokens(corpus, docs))
    assert len(pairs) > 0.9 * len(list(placed_tokens(corpus)))
    found = set()
    for token, of_spacy in pairs:
        expected = CLASSES[attribute](of_spacy)
        found.add(expected)
        index = values[token.split][token.row][token.position]
        assert index == (names.index(expected) if expected else NO_CLASS), (token, of_spacy)
    assert found > {""} or attribute == "dep"
    assert len(found) > 1


SPANS: dict[str, Callable[[Any], Any]] = {
    "entities": lambda doc: doc.ents,
    "noun_chunks": lambda doc: doc.noun_chunks,
}


@pytest.mark.slow
@pytest.mark.parametrize("attribute", SPANS)
def test_pipeline_gives_the_tokens_of_a_span_one_group(
    corpus: Path, pipeline: Path, docs: list[Any], attribute: str
) -> None:
    manifest, values = values_of(corpus, pipeline, attribute)
    groups: dict[Any, set[int]] = defaultdict(set)
    for token, of_spacy in with_spacy_tokens(corpus, docs):
        spans = [s for s in SPANS[attribute](of_spacy.doc) if s.start <= of_spacy.i < s.end]
        group = values[token.split][token.row][token.position]
        assert (group == NO_GROUP) == (not spans), (token, of_spacy)
        if spans:
            groups[token.split, token.row, token.document, spans[0].start].add(group)
    assert all(len(ids) == 1 for ids in groups.values())
    # A group whose words all meet several spaCy tokens is not looked at.
    num_groups = len({key[2:] for key in groups})  # those that rows cut count once
    assert manifest.num_groups - 1 <= num_groups <= manifest.num_groups
    assert num_groups > 5


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["bpe"], indirect=True)
def test_pipeline_gives_the_same_in_several_processes(corpus: Path, pipeline: Path) -> None:
    of_one = values_of(corpus, pipeline, "dep", workers=1)[1]
    assert values_of(corpus, pipeline, "dep", workers=2)[1] == of_one


def test_pipeline_source_is_pickled_without_its_pipeline(corpus: Path, pipeline: Path) -> None:
    from tidemask.annotation.pipeline_source import PipelineSource

    source = PipelineSource(str(pipeline), "ent_type", "class", ("A",), "x")
    assert source._nlp is source._nlp
    assert len(pickle.dumps(source)) < 1000


@pytest.mark.parametrize(
    ("source", "attribute", "kind", "message"),
    [
        ("spacy:no_such", None, None, "no such spaCy pipeline: source=spacy:no_such is neither"),
        (
            "spacy:",
            None,
            None,
            "source without its pipeline: source=spacy:. Expected spacy:PIPELINE",
        ),
        ("spacy:{}", "entity", None, "unknown attribute: 'entity'. .* Did you mean entities"),
        ("spacy:{}", "morph:", None, "unknown attribute: 'morph:'"),
        ("spacy:{}", "morph:Case", None, "attribute that is not set: .* none sets morph:Case"),
        ("spacy:{}", "entities", "class", "a kind that the source does not have: kind=class"),
        ("spacy:{}/blank", "ent_type", None, "attribute that is not set: .* components none, and"),
        ("spacy:{}/blank", "noun_chunks", None, "attribute that is not set"),
        ("tfidf", "entities", None, "a source without attributes: attribute=entities with"),
    ],
)
def test_pipeline_wrongly_asked_for_is_refused(
    corpus: Path, pipeline: Path, source: str, attribute: Any, kind: Any, message: str
) -> None:
    if not (pipeline / "blank").exists():
        spacy.blank("en").to_disk(pipeline / "blank")
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(
            corpus, column="bad", source=source.format(pipeline), attribute=attribute, kind=kind,
            workers=1, progress=False,
        )  # fmt: skip
    assert "\n" not in str(refused.value)
    assert not list((corpus / "columns").glob("*bad*"))
