"""Training several SAEs on one stream of batches: a grid of sparsities and widths costs one pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from analysis.sae.base import SAE
from analysis.sae.batches import Rows, ShuffledBatches
from analysis.sae.checkpoint import read_checkpoint, write_checkpoint
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.learner import Learner, Record, TrainConfig
from analysis.sae.normalisation import measure_normalisation
from analysis.sae.supervision import SupervisedRows, Supervision, with_labels, without_labels
from analysis.source import Source

Progress = Callable[[Record], None]

_LONGEST_DEAD_AFTER = 10_000_000
"""The field's number, far too long for most audio sets; here only the upper end."""


class Trainer:
    """Trains SAEs side by side; each ends as it would have ended alone.

    Parameters
    ----------
    data
        ``[N, d_in]`` floats: array, memory map or HDF5 data set. Read once to normalise it by one mean and one scale.
    saes
        What to train, all of width d_in.
    config
        How to train.
    source
        What the data are, kept with the SAEs.
    device
        Where to compute.
    supervision
        Labels of the vectors that the codes must also reconstruct while they are trained.

    Raises
    ------
    SAEError
        For data that are not finite, constant or of another width, and for impossible settings.
    """

    def __init__(
        self,
        data: Rows,
        saes: Sequence[SAEConfig],
        config: TrainConfig,
        source: Source | None = None,
        device: str = "cpu",
        supervision: Sequence[Supervision] = (),
    ) -> None:
        rows = SupervisedRows(data, supervision)
        self._batches = ShuffledBatches(rows, config.batch_size, config.seed)
        for sae in saes:
            if sae.d_in != data.shape[1]:
                raise SAEError(f"the data have {data.shape[1]} channels but the SAE has d_in {sae.d_in}")
        learners = [with_labels(sae, rows.unseen).to(device) for sae in saes]
        self._saes, self._source, self._supervision = saes, source, supervision
        self._normalisation = measure_normalisation(data)
        self._config = config = replace(config, batch_size=self._batches.batch_size)
        self._device = device
        dead_after = config.dead_after or min(data.shape[0], _LONGEST_DEAD_AFTER)
        self._learners = [Learner(sae, config, dead_after, rows.unseen) for sae in learners]
        self.steps_done = 0
        """Batches learnt from so far."""

    def run(
        self, progress: Progress | None = None, *, checkpoint: Path | None = None, checkpoint_every: int = 1000
    ) -> list[SAE]:
        """Train to the end and return the SAEs, which read and give raw vectors.

        ``progress`` receives one ``Record`` per SAE every ``record_every`` steps and after the last. With
        ``checkpoint`` given, the state is written there every ``checkpoint_every`` steps, and taken up from there if
        the file exists.
        """
        if checkpoint is not None and checkpoint.exists():
            self.resume(checkpoint)
        while self.steps_done < self._config.steps:
            self.step()
            last = self.steps_done == self._config.steps
            if last or self.steps_done % self._config.record_every == 0:
                for record in [learner.record(i, self.steps_done) for i, learner in enumerate(self._learners)]:
                    if progress is not None:
                        progress(record)
            if checkpoint is not None and (last or self.steps_done % checkpoint_every == 0):
                self.save(checkpoint)
        return self.result()

    def step(self) -> None:
        """Let every SAE learn from the next batch."""
        batch, d_in = self._batches.batch(self.steps_done).to(self._device), len(self._normalisation.mean)
        x = torch.cat([self._normalisation(batch[:, :d_in]), batch[:, d_in:]], 1)
        for learner in self._learners:
            learner.step(x, self.steps_done)
        self.steps_done += 1

    def result(self) -> list[SAE]:
        """Return the SAEs as they are now, with the normalisation folded into their weights, on the CPU."""
        trained = [
            without_labels(learner.sae, config, self._source)
            for learner, config in zip(self._learners, self._saes, strict=True)
        ]
        return [sae.folded(self._normalisation).eval() for sae in trained]

    def save(self, path: Path) -> None:
        """Write a checkpoint from which training continues bit for bit."""
        tensors = {
            f"{i}.{name}": tensor
            for i, learner in enumerate(self._learners)
            for name, tensor in learner.state().items()
        }
        write_checkpoint(path, tensors | {"mean": self._normalisation.mean}, {**self._facts(), "step": self.steps_done})

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint. Raises ``SAEError`` when it belongs to other SAEs, settings or data."""
        tensors, facts = read_checkpoint(path)
        step = facts.pop("step", 0)
        for name, mine in self._facts().items():
            if facts.get(name) != mine:
                raise SAEError(
                    f"checkpoint {path} was written with {name} {facts.get(name)}, this training has {mine}; "
                    "use the same, or delete the checkpoint to start over"
                )
        for i, learner in enumerate(self._learners):
            prefix = f"{i}."
            learner.load_state({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        self.steps_done = step

    def _facts(self) -> dict[str, object]:
        return {
            "config": asdict(self._config),
            "saes": [sae.to_json() for sae in self._saes],
            "source": None if self._source is None else self._source.to_json(),
            "data": {"scale": self._normalisation.scale, "mean": self._normalisation.mean.tolist()},
            "supervision": [one.facts() for one in self._supervision],
        }
