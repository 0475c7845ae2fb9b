"""A plain PyTorch loop with time-variant masking: how much is masked falls, what is masked adapts.

    python examples/plain_loop.py --steps 40 --workers 2

Three things are needed beside a usual loop: the collator knows the planned steps, is notified after
each step, and, for a policy that learns from class losses, is given the losses of the classes. The
loader may have any number of workers.
"""

from __future__ import annotations

import itertools

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


def main() -> None:
    """Train, and print what was masked."""
    args = parser_of(__doc__).parse_args()
    texts = texts_of()
    tokenizer = tokenizer_of(texts, args.tokenizer)
    model = model_of(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

    collator = MaskingCollator.for_tokenizer(
        load_recipe("ptw-mrd").masking,  # whole words by part of speech; 32 % falling to 2 %
        tokenizer,
        max_steps=args.steps,
        accumulation_steps=args.accumulate,
        class_names=UPOS,
        # A loader makes 2 batches per worker in advance. With losses as old as that, the masks do
        # not depend on how fast the workers are. Without workers, 0: the losses of the last step.
        loss_lag_steps=-(-2 * args.workers // args.accumulate),
    )
    loader = DataLoader(
        rows_of(texts, tokenizer),
        batch_size=args.batch,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
        num_workers=args.workers,
        collate_fn=collator,
        drop_last=True,
    )

    table = RatioTable(collator)
    for _ in itertools.count():  # epochs
        sums = torch.zeros(2, len(UPOS), dtype=torch.float64)
        for turn, batch in enumerate(loader, start=1):
            labels, token_class = batch.pop("labels"), batch.pop("token_class")
            table.add(collator.clock.steps_done, batch["input_ids"], labels)
            logits = model(**batch).logits
            token_loss = cross_entropy(logits.transpose(1, 2), labels, reduction="none")
            mean = token_loss.sum() / (labels >= 0).sum().clamp(min=1)
            (mean / args.accumulate).backward()
            sums += torch.stack(
                class_loss_sums(token_loss, labels, token_class, num_classes=len(UPOS))
            )
            if turn % args.accumulate and turn < len(loader):
                continue
            optimizer.step()
            optimizer.zero_grad()
            collator.step_done(*sums)  # the step is done, and this is what its classes lost
            sums = torch.zeros_like(sums)
            if collator.clock.steps_done == args.steps:
                table.print_line()
                print_classes(collator)
                return


if __name__ == "__main__":
    main()
