"""Models from scratch: by name and of a configuration file; building leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tidemask.errors import UserError
from tidemask.modeling.building import build_model
from tidemask.modeling.settings import MODEL_SIZES, ModelSettings
from tiny_models import VOCAB, tiny


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCAB)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w1")),
        pad_token="w0", unk_token="w1", cls_token="w2", sep_token="w3", mask_token="w4",
    )  # fmt: skip


def _model(size: str, tokenizer: PreTrainedTokenizerFast, dropout: float = 0.0, seed: int = 0):
    return build_model(
        ModelSettings(size=size, dropout=dropout),
        tokenizer=tokenizer,
        vocab_size=VOCAB,
        sequence_length=24,
        seed=seed,
    )


def test_building_initial_weights_follow_the_seed_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (_model("bert-tiny", tokenizer, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (model.bert.embeddings.word_embeddings.weight for model in (first, second, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("size", ["bert-tiny", "roberta-tiny", "modernbert-tiny"])
def test_building_dropout_is_what_was_set(size: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model = _model(size, tokenizer, dropout=0.25)
    values = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert 0.25 in values


@pytest.mark.parametrize("size", ["bert-tiny", "roberta-tiny"])
def test_building_without_attention_dropout_attention_runs_in_the_flash_kernel(
    size: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = torch.randint(5, 20, (2, 16))
    for attention, is_flash in ((None, False), (0.0, True)):
        settings = ModelSettings(size=size, attention_dropout=attention)
        model = build_model(
            settings, tokenizer=tokenizer, vocab_size=len(tokenizer), sequence_length=16, seed=0
        ).train()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            model(input_ids=ids)
        names = {event.key for event in profile.key_averages()}
        assert ("aten::_scaled_dot_product_flash_attention_for_cpu" in names) is is_flash
        assert 0.1 in {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}


def test_building_published_sizes() -> None:
    """Parameters of the miniatures without embeddings, from Turc et al. 2019, table 1's shapes."""
    for name, layers, hidden in (("tiny", 2, 128), ("mini", 4, 256), ("base", 12, 768)):
        shape = MODEL_SIZES[f"bert-{name}"]
        assert (shape.layers, shape.hidden, shape.feed_forward) == (layers, hidden, 4 * hidden)
        assert shape.heads * 64 == hidden


def test_building_local_attention_sees_two_neighbours_a_layer(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = _model("modernbert-tiny-local", tokenizer).eval()
    ids = torch.full((1, 24), 7)
    changed = ids.clone()
    changed[0, 12] = 9
    with torch.no_grad():
        a, b = (model.model(input_ids=x).last_hidden_state[0] for x in (ids, changed))
    differs = (a - b).abs().amax(1) > 1e-6
    assert differs.nonzero().flatten().tolist() == list(range(12 - 4, 12 + 4 + 1))


def _config_file(folder: Path, architecture: str = "electra", **settings: Any) -> Path:
    tiny(architecture, **settings).config.save_pretrained(folder)
    return folder / "config.json"


def _built(config: Path | str, tokenizer: PreTrainedTokenizerFast, **settings: Any) -> Any:
    return build_model(
        ModelSettings(config=str(config), **settings),
        tokenizer=tokenizer,
        vocab_size=VOCAB,
        sequence_length=48,
        seed=1,
    )


@pytest.mark.parametrize("as_directory", [True, False])
def test_building_a_configuration_takes_ids_and_positions_of_the_corpus(
    as_directory: bool, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    path = _config_file(
        tmp_path, vocab_size=5000, pad_token_id=77, max_position_embeddings=40, dtype="bfloat16",
        hidden_dropout_prob=0.3,
    )  # fmt: skip
    model = _built(path.parent if as_directory else path, tokenizer)
    config = model.config
    assert config.model_type == "electra"
    assert (config.vocab_size, config.pad_token_id, config.max_position_embeddings) == (
        VOCAB,
        0,
        48,
    )
    assert (config.sep_token_id, config.embedding_size, config.hidden_dropout_prob) == (3, 24, 0.3)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    ids = torch.full((1, 48), 7)
    assert model(input_ids=ids).logits.shape == (1, 48, VOCAB)
    assert _built(path, tokenizer, dropout=0.2).config.hidden_dropout_prob == 0.2


def test_building_esm_takes_the_mask_token_of_the_corpus(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """It takes the embeddings of masked tokens away, and of no others."""
    path = _config_file(
        tmp_path, "esm", vocab_size=33, mask_token_id=32, pad_token_id=1, hidden_size=32,
        num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, token_dropout=True,
        position_embedding_type="rotary",
    )  # fmt: skip
    model = _built(path, tokenizer).eval()
    hidden: list[torch.Tensor] = []
    for token in (4, 32):
        ids = torch.tensor([[5, token, 9, 11, 13, 15, 17, 19]])
        model.get_input_embeddings().weight.data[token] += 5.0
        hidden.append(model.esm.embeddings(input_ids=ids)[0, 1])
    assert torch.equal(hidden[0], torch.zeros(32))
    assert hidden[1].abs().mean() > 3.0
    assert model.config.mask_token_id == 4


@pytest.mark.parametrize("architecture", ["xlm", "flaubert"])
def test_building_has_no_embedding_for_the_padding_id_alone(
    architecture: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    path = _config_file(tmp_path, architecture, emb_dim=32, n_layers=1, n_heads=2, n_langs=1)
    model = _built(path, tokenizer)
    is_zero = (model.get_input_embeddings().weight == 0).all(1)
    assert is_zero.nonzero().flatten().tolist() == [0]
    config = model.config
    assert (config.pad_index, config.unk_index, config.mask_index) == (0, 1, 4)


@pytest.mark.parametrize(("positions", "expected"), [(40, 49), (90, 90)])
def test_building_counts_robertas_offset(
    positions: int, expected: int, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    path = _config_file(tmp_path, "roberta", max_position_embeddings=positions)
    model = _built(path, tokenizer)
    assert model.config.max_position_embeddings == expected
    model(input_ids=torch.full((1, 48), 7))


def test_building_has_positions_beyond_a_padding_id_that_ends_texts(tmp_path: Path) -> None:
    backend = Tokenizer(models.BPE({f"t{i}": i for i in range(VOCAB)}, []))
    last = f"t{VOCAB - 1}"
    padded = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=last, eos_token=last)
    model = _built(_config_file(tmp_path, "roberta", max_position_embeddings=40), padded)
    model(input_ids=torch.full((1, 48), 7))
    model(input_ids=torch.full((1, 48), VOCAB - 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "configuration not readable: .*not a valid JSON"),
        ("{}", "configuration not readable: .*Unrecognized model"),
        ('{"model_type": "zzz"}', "configuration not readable: .*model type `zzz`"),
        ('{"model_type": "bert", "hidden_size": "x"}', "configuration not readable: .*hidden_size"),
        ('{"model_type": "bert", "hidden_size": 7}', "no model of this configuration: .*multiple"),
        ('{"model_type": "gpt2"}', "no model of this configuration: .*Unrecognized configuration"),
        ('{"model_type": "bart"}', "not an encoder: .*is_encoder_decoder=true"),
        ('{"model_type": "bert", "is_decoder": true}', "not an encoder: .*is_decoder=true"),
        (
            '{"model_type": "own", "auto_map": {"AutoConfig": "code.Config"}}',
            "code of its own: .*config.json has an auto_map",
        ),
    ],
)
def test_building_says_in_one_line_what_is_wrong_with_a_configuration(
    content: str, message: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        _built(path, tokenizer)
    assert len(str(caught.value).splitlines()) == 1


def test_building_refuses_what_is_not_there(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no such configuration: model.config="):
        _built(tmp_path, tokenizer)


def test_building_takes_one_source_of_a_model() -> None:
    assert ModelSettings().size == "bert-tiny"
    assert ModelSettings().dropout == 0.1
    assert ModelSettings(warm_start="here").size is None
    assert ModelSettings(config="here").dropout is None
    assert [
        ModelSettings(**source).name for source in ({"size": "bert-mini"}, {"config": "c"})
    ] == [
        "bert-mini",
        "c",
    ]
    with pytest.raises(ValueError, match=r"size=bert-mini and warm_start=here. Expected one of"):
        ModelSettings(size="bert-mini", warm_start="here")
    with pytest.raises(ValueError, match=r"warm_start=' '. Expected a name"):
        ModelSettings(warm_start=" ")
    with pytest.raises(ValueError, match=r"dropout=1. Expected a number from"):
        ModelSettings(dropout=1.0)
