"""The stock transformers Trainer with time-variant masking, evaluation and resume.

    python examples/stock_trainer.py --out /tmp/run --stop-after 17     # broken off
    python examples/stock_trainer.py --out /tmp/run                     # continues from there

Beside a usual Trainer: the collator, `StockTrainerMasking` as a callback, its loss, and
`remove_unused_columns=False`, since masking reads columns that the model does not know. The
masking's state is part of every checkpoint.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tiny_data import (
    RatioTable,
    model_of,
    parser_of,
    print_classes,
    rows_of,
    texts_of,
    tokenizer_of,
)
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from tidemask import MaskingCollator, StockTrainerMasking, load_recipe
from tidemask.token_classes import UPOS


class TrainerWithTable(Trainer):
    """Prints what is masked; training needs no class of its own."""

    table: RatioTable | None = None

    def training_step(self, model: Any, inputs: Any, *others: Any) -> Any:
        """Note the batch, then train as ever."""
        step = self.state.global_step
        self.table = self.table or RatioTable(self.data_collator, step)
        self.table.add(step, inputs["input_ids"], inputs["labels"])
        return super().training_step(model, inputs, *others)


class StopAfter(TrainerCallback):
    """Stops training after a step, as a power cut would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Tell the Trainer to end."""
        control.should_training_stop |= state.global_step == self.step


def main() -> None:
    """Train from the last checkpoint, if there is one, and print what was masked."""
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, help="where checkpoints go; a temporary directory")
    parser.add_argument("--stop-after", type=int, default=0, help="break off after this step")
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp())
    texts = texts_of()
    tokenizer = tokenizer_of(texts, args.tokenizer)
    rows = rows_of(texts, tokenizer)

    collator = MaskingCollator.for_tokenizer(
        load_recipe("ptw-mrd").masking,
        tokenizer,
        max_steps=args.steps,
        accumulation_steps=args.accumulate,
        class_names=UPOS,
    )
    masking = StockTrainerMasking(collator)
    trainer = TrainerWithTable(
        model=model_of(tokenizer),
        args=TrainingArguments(
            output_dir=str(out),
            max_steps=args.steps,
            per_device_train_batch_size=args.batch,
            gradient_accumulation_steps=args.accumulate,
            learning_rate=2e-3,
            dataloader_num_workers=args.workers,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            eval_strategy="steps",
            eval_steps=max(1, args.steps // 4),
            save_strategy="steps",
            save_steps=max(1, args.steps // 10),
            save_total_limit=2,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=rows[64:],
        eval_dataset=rows[:64],  # masked at 15 %, all mask tokens, the same each time
        data_collator=collator,
        callbacks=[masking, StopAfter(args.stop_after)],
        compute_loss_func=masking.compute_loss,
    )

    checkpoint = get_last_checkpoint(str(out))
    print(f"from {Path(checkpoint).name if checkpoint else 'the beginning'}")
    trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.table is not None:
        trainer.table.print_line()
    if trainer.state.global_step == args.steps:
        print_classes(collator)


if __name__ == "__main__":
    main()
