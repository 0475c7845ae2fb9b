"""From the prepared corpus to batches: one endless stream, computed and never replayed.

Step `t` takes the samples `[t G, (t + 1) G)` of the stream, where `G` is the global batch. The
stream runs through the corpus again and again, each epoch in an order of its own that is keyed by
the seed. Which row a sample is follows from its number alone, so a run may start at any step, on
any number of ranks. Nothing is masked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.split import CorpusSplit, as_indices
from tidemask.errors import UserError
from tidemask.masking.batch import Batch, check_in_vocabulary
from tidemask.masking.noise import Purpose, StepKey, permutation
from tidemask.settings import check_integer

_NO_COLUMNS: Mapping[str, Any] = {}

_COUNTED_ROWS = 4096
"""Rows read at once where tokens are counted."""


class RowOrder(Protocol):
    """Which row each sample is."""

    def rows(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the given samples."""


class ColumnValues(Protocol):
    """A column of the rows of a split."""

    def of_rows(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """The values of the rows of these numbers, [n, L], in that order."""


class ShuffledOrder:
    """Row of each sample of the endless stream; every row once per epoch.

    Args:
        num_rows: rows of the corpus, at least 1.
        seed: of the run.

    Example:
        >>> import numpy as np
        >>> order = ShuffledOrder(4, seed=0)
        >>> sorted(order.rows(np.arange(4)).tolist())  # the first epoch
        [0, 1, 2, 3]
    """

    def __init__(self, num_rows: int, *, seed: int) -> None:
        self.num_rows = check_integer("num_rows", num_rows, minimum=1)
        self.seed = StepKey(seed, 0).seed
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def rows(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the given samples, int64; the order of one epoch is kept at a time."""
        if samples.size and samples.min() < 0:
            raise ValueError(f"sample {samples.min()}. Expected numbers of at least 0.")
        epochs, positions = np.divmod(samples, self.num_rows)
        rows = np.empty_like(samples)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            rows[here] = self._epoch_order(int(epoch))[positions[here]]
        return rows

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._order = permutation(self.seed, Purpose.DATA_ORDER, epoch, self.num_rows).numpy()
            self._epoch = epoch
        return self._order


class StoredOrder:
    """Sample `i` is row `i`: for evaluation."""

    def rows(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """The samples themselves."""
        return samples


class BatchDataset(Dataset[Batch]):
    """Batches of a corpus split by sample numbers; rows are fetched at once.

    Args:
        split: training or held-out rows.
        order: which row each sample is.
        is_special: for each vocabulary id, whether it is special; bool.
        columns: of the split, by name; batches have them.

    Example:
        >>> from tidemask import ShuffledOrder, Vocabulary, open_corpus
        >>> corpus = open_corpus("corpus")
        >>> vocabulary = Vocabulary.of(corpus.manifest.vocab_size, mask_id=4, special_ids=range(5))
        >>> order = ShuffledOrder(len(corpus.train), seed=0)
        >>> dataset = BatchDataset(corpus.train, order, vocabulary.is_special)
        >>> dataset.__getitems__([0, 1]).input_ids.shape
        torch.Size([2, 32])
    """

    def __init__(
        self,
        split: CorpusSplit,
        order: RowOrder,
        is_special: Bool[Tensor, "V"],
        columns: Mapping[str, ColumnValues] = _NO_COLUMNS,
    ) -> None:
        self.split = split
        self.order = order
        self.is_special = is_special
        self.columns = columns

    def __getitem__(self, index: int) -> Batch:
        """The batch of one sample."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of the given samples, in their order."""
        samples = as_indices(indices)
        rows = self.order.rows(samples)
        columns = {name: values.of_rows(rows) for name, values in self.columns.items()}
        return to_batch(self.split.rows(rows), samples, self.is_special, columns)

    def token_counts(self) -> Int[Tensor, "V"]:
        """How often each vocabulary id occurs among the split's maskable tokens, int64."""
        counts = np.zeros(self.is_special.shape[0], dtype=np.int64)
        for rows in self._all_rows():
            batch = to_batch(self.split.rows(rows), rows, self.is_special)
            counts += np.bincount(batch.input_ids[batch.maskable].numpy(), minlength=len(counts))
        return torch.from_numpy(counts)

    def num_tokens(self) -> int:
        """Tokens of all rows of the split, special ones included, padding left out."""
        return sum(int(self.split.rows(rows).length.sum()) for rows in self._all_rows())

    def _all_rows(self) -> Iterator[NDArray[np.int64]]:
        """The numbers of all rows, in blocks."""
        for start in range(0, len(self.split), _COUNTED_ROWS):
            yield np.arange(start, min(start + _COUNTED_ROWS, len(self.split)))


def to_batch(
    rows: Rows,
    samples: NDArray[np.int64],
    is_special: Bool[Tensor, "V"],
    columns: Mapping[str, NDArray[Any]] = _NO_COLUMNS,
) -> Batch:
    """Rows of the store as a batch; special tokens and padding are not maskable."""
    check_in_vocabulary(rows.input_ids, len(is_special))
    input_ids = torch.from_numpy(rows.input_ids.astype(np.int64))
    inside = np.arange(input_ids.shape[1]) < rows.length[:, None]
    within = torch.from_numpy(inside)
    return Batch(
        input_ids=input_ids,
        maskable=within & ~is_special[input_ids],
        word_starts=torch.from_numpy(rows.word_start),
        token_class=torch.from_numpy(rows.token_class),
        sample_ids=torch.from_numpy(samples),
        attention_mask=None if inside.all() else within,
        columns={name: torch.from_numpy(values) for name, values in columns.items()},
    )


@dataclass(frozen=True, kw_only=True)
class StepSampler(Sampler[list[int]]):
    """Sample numbers of each micro-batch of one rank, from a given step to the end of the run.

    The global batch of a step is `micro_batch_size * accumulation_steps * num_ranks` samples, or
    what `growth` says; each rank takes a contiguous slice of it, and each micro-batch a contiguous
    slice of that.

    Attributes:
        start_step: first step to draw, 0-based.
        max_steps: planned steps of the run.
        micro_batch_size: sequences in one forward pass on one device.
        accumulation_steps: micro-batches per step and rank.
        rank: this process, 0-based.
        num_ranks: number of processes.
        growth: sizes of the micro-batches of each step, of which `micro_batch_size` is the largest;
            `None` where all are alike.
    """

    start_step: int
    max_steps: int
    micro_batch_size: int
    accumulation_steps: int
    rank: int = 0
    num_ranks: int = 1
    growth: GrowingBatches | None = None

    @property
    def global_batch_size(self) -> int:
        """Sequences per optimizer step over all ranks; at most so many, where batches grow."""
        return self.micro_batch_size * self.accumulation_steps * self.num_ranks

    def __len__(self) -> int:
        """Micro-batches of this rank in the whole run, wherever it starts."""
        return self.max_steps * self.accumulation_steps

    def __iter__(self) -> Iterator[list[int]]:
        """Sample numbers, one list per micro-batch."""
        for step in range(self.start_step, self.max_steps):
            first, size = self.samples_of(step).start, self._micro_batch_size(step)
            for turn in range(self.accumulation_steps):
                slice_number = self.rank * self.accumulation_steps + turn
                begin = first + slice_number * size
                yield list(range(begin, begin + size))

    def samples_of(self, step: int) -> range:
        """The samples of a step, over all ranks."""
        if self.growth is None:
            return range(step * self.global_batch_size, (step + 1) * self.global_batch_size)
        return range(int(self.growth.starts[step]), int(self.growth.starts[step + 1]))

    def _micro_batch_size(self, step: int) -> int:
        return self.micro_batch_size if self.growth is None else int(self.growth.sizes[step])


def training_loader(
    dataset: BatchDataset,
    sampler: StepSampler,
    *,
    num_workers: int,
    on_worker_start: Callable[[int], None] | None = None,
) -> DataLoader[Batch]:
    """A loader of the micro-batches that `sampler` names.

    `on_worker_start` is called in each of the `num_workers` processes, with its number.

    Where there is a GPU, batches are in memory that it reads by itself, so that the host does not
    wait for the copies.

    It has a generator of its own: creating its iterator draws one number, which must not come from
    the global generator that dropout uses, or a resumed run would differ.
    """
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=_as_fetched,
        generator=torch.Generator(),
        worker_init_fn=on_worker_start,
        pin_memory=torch.cuda.is_available(),
    )


def _as_fetched(batch: Any) -> Any:
    return batch


@contextmanager
def errors_of_workers() -> Iterator[None]:
    """Give the errors of a loader's workers as they were raised there, without their tracebacks.

    Raises:
        UserError: a worker could not read a batch.
    """
    try:
        yield
    except UserError as error:
        raise UserError(str(error).rstrip().rpartition("UserError: ")[2]) from None
