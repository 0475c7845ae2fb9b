"""Trains with the exported `MaskedLMTrainer` itself, as a user's script does, without a recipe.

Started by `test_distributed.py`, alone or under torchrun: `direct_training.py CORPUS RUN SHARDING`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from tidemask import (
    BatchDataset,
    MaskedLMTrainer,
    Masker,
    MaskingSettings,
    RunDirectory,
    SelectedPositionsLM,
    ShuffledOrder,
    TrainingSettings,
    Vocabulary,
    open_corpus,
)
from tidemask.processes import ending_early
from tidemask.training.settings import Sharding


def train_directly(
    corpus_directory: Path, run: RunDirectory, *, micro_batch_size: int, sharding: Sharding = "none"
) -> MaskedLMTrainer:
    """Train 4 steps with 2 checkpoints; nothing joins the processes before the trainer does."""
    corpus = open_corpus(corpus_directory)
    tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_directory)
    vocabulary = Vocabulary.of_tokenizer(tokenizer)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocabulary.size,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    settings = TrainingSettings(
        max_steps=4,
        micro_batch_size=micro_batch_size,
        save_steps=2,
        logging_steps=1,
        sharding=sharding,
        precision="float32",  # bfloat16, which some CPUs have, sums otherwise on two ranks
        report_to="tensorboard",
    )
    order = ShuffledOrder(len(corpus.train), seed=0)
    trainer = MaskedLMTrainer(
        SelectedPositionsLM(BertForMaskedLM(config)),
        settings,
        masker=Masker(MaskingSettings(), vocabulary, max_steps=settings.max_steps),
        dataset=BatchDataset(corpus.train, order, vocabulary.is_special),
        run=run,
        tokenizer=tokenizer,
    )
    trainer.train_from(None)
    return trainer


if __name__ == "__main__":
    with ending_early():
        trained = train_directly(
            Path(sys.argv[1]), RunDirectory(Path(sys.argv[2])), micro_batch_size=4,
            sharding=sys.argv[3],
        )  # fmt: skip
        if trained.args.process_index == 0:
            print(trained.engine())
