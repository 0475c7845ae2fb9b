"""Further pre-training: every listed architecture, from a directory as transformers saves it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForMaskedLM,
    BertModel,
    FillMaskPipeline,
    PreTrainedTokenizerFast,
    pipeline,
)

from prose import text
from small_runs import (
    TINY,
    records,
    run_command,
    same_weights,
    started,
    stopped_at,
    trained,
    trainer_of,
)
from tidemask.cli.app import main
from tidemask.corpus.prepare import prepare
from tidemask.evaluation.evaluate import evaluate
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.creation import new_run
from tidemask.runs.started_on import corpus_of
from tidemask.runs.train import train
from tiny_models import ARCHITECTURES, tiny
from warm_starts import PADDED_IDS, further, saved


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_warm_start_of_every_architecture(name: str, corpus: Path, tmp_path: Path) -> None:
    """Through `tidemask pretrain`; what comes out loads as transformers loads models."""
    directory = saved(corpus, tmp_path / "start", name)
    out = tmp_path / "run"
    settings = [*TINY, *further(directory)]
    done = run_command(["pretrain", str(corpus), "--out", str(out), "--recipe", "bert", *settings])
    assert done.returncode == 0, done.stderr
    assert "start from random ones" not in done.stderr
    run = RunDirectory(out)
    before, after = (
        AutoModelForMaskedLM.from_pretrained(path).state_dict() for path in (directory, run.model)
    )
    assert before.keys() == after.keys()
    moved = [k for k in before if not torch.equal(before[k], after[k])]
    assert len(moved) > len(before) // 2
    assert all((before[k] - after[k]).abs().max() < 0.02 for k in moved)
    fill: FillMaskPipeline = pipeline("fill-mask", model=str(run.model), device="cpu")
    assert len(fill(f"The river {fill.tokenizer.mask_token} the bridge.")) == 5


def _byte_level() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([text(5)], trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    names |= {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{f"{k}_token": v for k, v in names.items()}
    )


def _unigram() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
        unk_token="<unk>", show_progress=False,
    )  # fmt: skip
    backend.train_from_iterator(text(5).splitlines(), trainer)
    names = {"pad": "<pad>", "unk": "<unk>", "mask": "[MASK]", "cls": "[CLS]", "sep": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{f"{k}_token": v for k, v in names.items()}
    )


@pytest.mark.slow
@pytest.mark.parametrize("documents", ["together", "apart"])
@pytest.mark.parametrize(
    ("name", "tokenizer"),
    [("roberta", _byte_level), ("xlm-roberta", _unigram), ("deberta-v3", _unigram)],
)
def test_warm_start_with_the_kinds_of_tokenizers_that_such_models_have(
    name: str, tokenizer: Any, documents: str, tmp_path: Path
) -> None:
    own = tokenizer()
    directory = tmp_path / "model"
    tiny(
        name, vocab_size=len(own) + PADDED_IDS, pad_token_id=own.pad_token_id,
        bos_token_id=own.bos_token_id, eos_token_id=own.eos_token_id,
    ).save_pretrained(directory)  # fmt: skip
    own.save_pretrained(directory)
    source = tmp_path / "text.txt"
    source.write_text(text(40, num_sentences=3), encoding="utf-8")
    prepare(
        source, out=tmp_path / "corpus", tokenizer=directory, sequence_length=48, held_out=0.2,
        tagger="none", workers=1, progress=False,
    )  # fmt: skip
    run = trained(
        tmp_path / "corpus", tmp_path / "run", "bert",
        *further(directory, f"model.documents={documents}"),
    )  # fmt: skip
    assert records(run)[-1]["loss"] > 0
    fill: FillMaskPipeline = pipeline("fill-mask", model=str(run.model), device="cpu")
    assert len(fill(f"The river {own.mask_token} the bridge.")) == 5


@pytest.mark.slow
def test_warm_start_without_learning_gives_the_weights_back(corpus: Path, tmp_path: Path) -> None:
    """Saved in half precision, with ids beyond the tokenizer's, and read again as float32."""
    directory = saved(corpus, tmp_path / "start", "modernbert")
    model = AutoModelForMaskedLM.from_pretrained(directory).to(torch.bfloat16)
    model.save_pretrained(directory)
    run = trained(
        corpus, tmp_path / "run", "wsbert-frequency",
        *further(directory, "training.learning_rate=0"),
    )  # fmt: skip
    start, end = (load_file(d / "model.safetensors") for d in (directory, run.model))
    assert start.keys() == end.keys()
    assert {w.dtype for w in end.values()} == {torch.float32}
    assert all(torch.equal(start[name].float(), end[name]) for name in start)
    assert read_run_config(run.config).model_fingerprint is not None


@pytest.mark.slow
def test_warm_start_keeps_the_models_own_dropout_unless_set(corpus: Path, tmp_path: Path) -> None:
    directory = saved(corpus, tmp_path / "start", hidden_dropout_prob=0.25)
    for setting, hidden, attention in (("null", 0.25, 0.0), ("0.3", 0.3, 0.3)):
        run = started(
            corpus, tmp_path / setting, "bert", *further(directory, f"model.dropout={setting}")
        )
        trainer = trainer_of(run)
        built = trainer.model.language_model.config
        assert (built.hidden_dropout_prob, built.attention_probs_dropout_prob) == (
            hidden,
            attention,
        )


@pytest.mark.slow
def test_warm_start_says_which_weights_are_new(corpus: Path, tmp_path: Path) -> None:
    """An encoder saved alone, and a directory without tokenizer; the same twice by the seed."""
    directory = saved(corpus, tmp_path / "start", extra_ids=0)
    BertModel.from_pretrained(directory).save_pretrained(directory)
    for path in directory.glob("tokenizer*"):
        path.unlink()
    runs = []
    for name in ("a", "b"):
        notes: list[str] = []
        run = started(corpus, tmp_path / name, "bert", *further(directory))
        train(run, RunCallbacks(on_note=notes.append))
        assert any(f"{directory} has no tokenizer" in note for note in notes)
        assert any("has no weights for cls.predictions.bias" in note for note in notes)
        runs.append(run)
    assert same_weights(*runs)


@pytest.mark.slow
def test_warm_start_is_resumed_without_the_starting_weights(corpus: Path, tmp_path: Path) -> None:
    directory = saved(corpus, tmp_path / "start")
    settings = further(directory, "model.documents=apart", "model.dropout=0.1")
    whole = trained(corpus, tmp_path / "whole", "ptw-mrd", *settings)
    stopped = stopped_at(whole, 2, tmp_path / "stopped")
    shutil.rmtree(directory)
    train(stopped)
    assert same_weights(whole, stopped)
    for a, b in zip(records(whole), records(stopped), strict=True):
        assert a == pytest.approx(b, abs=0, rel=0, nan_ok=True)


def test_warm_start_from_the_command_line_says_in_one_line_what_is_wrong(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = ["pretrain", str(corpus), "--out", str(tmp_path / "run")]
    start = f"model.warm_start={tmp_path / 'nowhere'}"
    monkeypatch.setattr("sys.argv", ["tidemask", *arguments, start])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert "no such directory: model.warm_start=" in printed.err


@pytest.mark.slow
def test_warm_start_models_with_padded_vocabularies_are_evaluated(
    corpus: Path, tmp_path: Path
) -> None:
    directory = saved(corpus, tmp_path / "start")
    [result] = evaluate(directory, data=corpus, with_random=False)
    assert result.checkpoint == "model"
    assert result.results[0].metrics["held_out/loss_15"] > 0


def test_warm_start_keeps_documents_apart_in_training(corpus: Path, tmp_path: Path) -> None:
    """Losses of a step's first micro-batch equal those of its documents, each run alone."""
    directory = saved(corpus, tmp_path / "start")
    run = new_run(
        load_recipe("bert", [*TINY, *further(directory, "model.documents=apart")]),
        corpus,
        tmp_path / "run",
    )
    config = read_run_config(run.config)
    data = CorpusInputs.of(corpus_of(config))
    trainer = trainer_of(run)
    loader = iter(trainer.get_train_dataloader())
    (inputs,), _ = trainer.get_batch_samples(loader, 1, torch.device("cpu"))
    ids, positions = inputs["input_ids"], inputs["positions"][: len(inputs["classes"])]
    assert torch.eq(ids[:, 1:-1], data.separator_id).any()
    model = trainer.model.eval()
    inside = inputs.get("attention_mask", torch.ones_like(ids))
    logits = torch.zeros(*ids.shape, model.language_model.config.vocab_size)
    for row, one in enumerate(ids):
        ends = (one == data.separator_id).nonzero().flatten().tolist()
        for begin, end in zip([0, *(e + 1 for e in ends)], ends, strict=False):
            document = one[None, begin : end + 1]
            logits[row, begin : end + 1] = model.language_model(document).logits[0]
    assert int(inside.sum()) >= len(ids) * 8
    targets = inputs["targets"][: len(positions)]
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1)[positions], targets, reduction="none"
    )
    got = model(ids, positions, targets, inputs.get("attention_mask"))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_warm_start_from_the_cache_of_the_hub(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not a directory, without a network: laid out as the hub's client keeps it."""
    kept = tmp_path / "cache" / "models--someone--tiny"
    commit = "0123456789abcdef0123456789abcdef01234567"
    saved(corpus, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "run"
    settings = [*TINY, *further(Path("someone/tiny"))]
    done = run_command(["pretrain", str(corpus), "--out", str(out), *settings], warm=False)
    assert done.returncode == 0, done.stderr
    assert read_run_config(out / "run.yaml").model.warm_start == "someone/tiny"


@pytest.mark.slow
def test_warm_start_on_two_processes_is_the_run_of_one(corpus: Path, tmp_path: Path) -> None:
    directory = saved(corpus, tmp_path / "start", "roberta")
    settings = [*TINY, *further(directory, "model.documents=apart", "training.logging_steps=1")]
    runs = []
    for processes, size in ((1, 8), (2, 4)):
        out = tmp_path / str(processes)
        arguments = ["pretrain", str(corpus), "--out", str(out), *settings]
        done = run_command([*arguments, f"training.micro_batch_size={size}"], processes=processes)
        assert done.returncode == 0, done.stderr
        runs.append(RunDirectory(out))
    first, *lines = zip(*map(records, runs), strict=True)
    assert first[0] == pytest.approx(first[1], rel=1e-5)  # the starting model's, before step 1
    for one, two in lines:
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
        assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-4)
