"""Lightning with time-variant masking: one callback gives the collator what it needs to know.

    python examples/lightning_loop.py --steps 40 --accumulate 2

The callback below can be copied as it is. It notifies the collator when an optimizer step is done,
with which step an epoch begins, and whether batches are for training or validation; and its state
is part of Lightning's checkpoints.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import torch
from tiny_data import (
    RatioTable,
    model_of,
    parser_of,
    print_classes,
    rows_of,
    texts_of,
    tokenizer_of,
)
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from tidemask import MaskingCollator, class_loss_sums, load_recipe
from tidemask.token_classes import UPOS

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")


class MaskingSteps(lightning.Callback):
    """Keeps a collator in step with Lightning's loop.

    Args:
        collator: of the training loader, and of the validation loader if there is one; its
            `max_steps` and `accumulation_steps` are the Trainer's.
    """

    def __init__(self, collator: MaskingCollator) -> None:
        self.collator = collator

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Batches are for training while Lightning trains; for evaluation while it validates."""
        self.collator.is_training = lambda: trainer.training

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """An optimizer step may be done, after the last of its batches."""
        if trainer.global_step > self.collator.clock.steps_done:
            self.collator.step_done(*pl_module.class_sums)
            pl_module.class_sums.zero_()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The next epoch begins with the next step."""
        self.collator.start(trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Steps done and class losses, for Lightning's checkpoint."""
        return self.collator.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.collator.load_state_dict(state_dict)


class MaskedLM(lightning.LightningModule):
    """A model, its loss, and the class losses of the step at hand."""

    def __init__(self, model: torch.nn.Module, table: RatioTable) -> None:
        super().__init__()
        self.model = model
        self.table = table
        self.class_sums = torch.zeros(2, len(UPOS), dtype=torch.float64)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Mean loss of the predicted positions; the class losses are summed over the step."""
        labels, token_class = batch.pop("labels"), batch.pop("token_class")
        self.table.add(self.trainer.global_step, batch["input_ids"], labels)
        token_loss = self.token_loss(batch, labels)
        sums = class_loss_sums(token_loss, labels, token_class, num_classes=len(UPOS))
        self.class_sums += torch.stack(sums).cpu()
        return token_loss.sum() / (labels >= 0).sum().clamp(min=1)

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Loss of held-out text, masked at 15 %, all mask tokens, the same each time."""
        labels = batch.pop("labels")
        loss = self.token_loss(batch, labels).sum() / (labels >= 0).sum().clamp(min=1)
        self.log("held_out_loss", loss, batch_size=len(labels))

    def on_validation_epoch_end(self) -> None:
        """Print it."""
        if not self.trainer.sanity_checking:
            print(f"held-out loss {float(self.trainer.callback_metrics['held_out_loss']):.3f} nats")

    def token_loss(self, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each position, 0 where nothing is predicted."""
        logits = self.model(**batch).logits
        return cross_entropy(logits.transpose(1, 2), labels, reduction="none")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """As Lightning wants it."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train, and print what was masked."""
    args = parser_of(__doc__).parse_args()
    texts = texts_of()
    tokenizer = tokenizer_of(texts, args.tokenizer)
    rows = rows_of(texts, tokenizer)
    collator = MaskingCollator.for_tokenizer(
        load_recipe("ptw-mrd").masking,
        tokenizer,
        max_steps=args.steps,
        accumulation_steps=args.accumulate,
        class_names=UPOS,
        loss_lag_steps=-(-2 * args.workers // args.accumulate),  # as in plain_loop.py
    )
    loading = {"batch_size": args.batch, "num_workers": args.workers, "collate_fn": collator}
    training = DataLoader(rows[64:], shuffle=True, **loading)
    validation = DataLoader(rows[:64], **loading)
    trainer = lightning.Trainer(
        max_steps=args.steps,
        accumulate_grad_batches=args.accumulate,
        val_check_interval=10,  # batches
        check_val_every_n_epoch=None,
        accelerator="cpu",
        callbacks=[MaskingSteps(collator)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    table = RatioTable(collator)
    trainer.fit(MaskedLM(model_of(tokenizer).train(), table), training, validation)
    table.print_line()
    print_classes(collator)


if __name__ == "__main__":
    main()
