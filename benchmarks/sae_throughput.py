"""Training speed of a top-k SAE on the CPU, beside other libraries' trainers on the same batches of the same data.

    python -m benchmarks.sae_throughput [--threads 1 2] [--steps 2000] [--out benchmarks/results/sae_throughput.json]
        [--peer-scripts FOLDER --peer sparsify=PYTHON --peer dictionary_learning=PYTHON ...] [--log RUNS.jsonl]

Without peers it measures ours alone. A peer is a Python interpreter that has the library; ``FOLDER`` holds a
``bench_NAME.py`` for each, which takes --data --width --k --batch --steps --lr --threads and prints one JSON line with
``samples_per_s``, ``samples_per_cpu_s`` and ``fvu`` (on rows held out of training). Every library first tries
three learning rates, with ``--sweep-steps`` updates each, and keeps the one of lowest fvu for its trainings of
``--steps`` updates; all libraries take turns, ``--rounds`` times for every number of threads. Each run is a process of
its own. With ``--log`` a run is written there as soon as it is done, and the same command takes up an interrupted
comparison; the result is written after every training. On a busy machine compare the ratios of samples per CPU second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import write_json

ROOT = Path(__file__).resolve().parent.parent
OURS = ("ours float32", "ours bf16")
LEARNING_RATES = {"ours": [4e-3, 8e-3, 1.6e-2], "sparsify": [3.5e-3, 7e-3, 1.4e-2]}
"""Learning rates tried: for other peers ``DEFAULT_RATES``. Optimisers differ, and so do their scales."""
DEFAULT_RATES = [3e-3, 1e-2, 3e-2]
SKIPPED_STEPS = 5
"""Steps before the clock starts."""
PEER_OPTIONS = {"sparsify": ["--via", "loop"]}
"""The fastest way each peer offers, where there is a choice."""
FIGURES = ("samples_per_s", "samples_per_cpu_s", "fvu")


def make_data(path: Path, rows: int = 120_000, d_in: int = 64, atoms: int = 512, active: int = 8) -> None:
    """Write rows made of few random unit atoms each, plus noise, with mean 0 and variance 1."""
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((atoms, d_in), np.float32)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    data = 0.05 * rng.standard_normal((rows, d_in), np.float32)
    for row in data:
        row += rng.exponential(1.0, active).astype(np.float32) @ dictionary[rng.choice(atoms, active, replace=False)]
    np.save(path, (data - data.mean(0)) / data.std())


def train_ours(options: argparse.Namespace) -> dict[str, float]:
    """Train in this process; the last tenth of the rows is held out, up to 8192 of them measured."""
    import torch

    from analysis.sae.config import SAEConfig
    from analysis.sae.learner import TrainConfig
    from analysis.sae.metrics import evaluate
    from analysis.sae.train import Trainer

    torch.set_num_threads(options.threads[0])
    data = np.load(options.data)
    cut = int(0.9 * len(data))
    config = TrainConfig(
        steps=options.steps, batch_size=options.batch, learning_rate=options.lr, precision=options.precision
    )
    trainer = Trainer(data[:cut], [SAEConfig("topk", data.shape[1], options.width, k=options.k)], config)
    for _ in range(SKIPPED_STEPS):
        trainer.step()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    sae = trainer.run()[0]
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    samples = (options.steps - SKIPPED_STEPS) * options.batch
    metrics = evaluate(sae, data[cut:][:8192])
    return {
        "samples_per_s": samples / wall_s,
        "samples_per_cpu_s": samples / cpu_s,
        "fvu": metrics.fvu,
        "dead": metrics.dead,
    }


@dataclass(frozen=True)
class Job:
    """One training of one library."""

    name: str
    """Library."""
    lr: float
    steps: int
    threads: int
    turn: int | None
    """Round of the comparison; None in the sweep."""


@dataclass
class Comparison:
    """Runs jobs, each in a process of its own, and remembers what came out."""

    options: argparse.Namespace
    peers: dict[str, str]
    """Library -> its Python interpreter."""
    runs: dict[Job, dict[str, Any]] = field(default_factory=dict)

    def load_log(self) -> None:
        """Take over the runs of the log that were made with the same data and sizes."""
        if self.options.log is not None and self.options.log.is_file():
            for line in self.options.log.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                if entry["sizes"] == self.sizes:
                    self.runs[Job(**entry["job"])] = entry["result"]

    @property
    def sizes(self) -> dict[str, Any]:
        """What all runs have in common."""
        return {name: getattr(self.options, name) for name in ("width", "k", "batch")} | {"data": self.options.label}

    def run(self, job: Job) -> dict[str, Any]:
        """Train one library in a fresh process, unless the log has the run, and return what it printed."""
        if job not in self.runs:
            result = json.loads(self._output(job).strip().splitlines()[-1])
            self.runs[job] = result
            if self.options.log is not None:
                with self.options.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps({"sizes": self.sizes, "job": vars(job), "result": result}) + "\n")
            speed, fvu = result["samples_per_cpu_s"], result["fvu"]
            print(f"{time.strftime('%H:%M')} {job}: {speed:.0f} samples/cpu-s, fvu {fvu:.4f}", file=sys.stderr)
        return self.runs[job]

    def _output(self, job: Job) -> str:
        settings = {"data": self.options.data, "width": self.options.width, "k": self.options.k}
        settings |= {"batch": self.options.batch, "steps": job.steps, "threads": job.threads, "lr": job.lr}
        flags = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
        if job.name in OURS:
            worker = ["-m", "benchmarks.sae_throughput", "--worker", "--precision", job.name.split()[1]]
            command, folder = [sys.executable, *worker, *flags], ROOT
        else:
            folder = self.options.peer_scripts
            command = [self.peers[job.name], f"bench_{job.name}.py", *flags, *PEER_OPTIONS.get(job.name, [])]
        threads = {name: str(job.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment = {**os.environ, **threads, "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{job.name} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def compare(self) -> Iterator[dict[str, Any]]:
        """Train all libraries in turns, each at its best learning rate; yield the document after every training."""
        for turn in range(self.options.rounds):
            for threads in self.options.threads:
                for name in (*OURS, *self.peers):
                    self.run(Job(name, self.best_rate(name), self.options.steps, threads, turn))
                    yield self.document()

    def best_rate(self, name: str) -> float:
        """Find the learning rate with which a library gets furthest in ``--sweep-steps`` updates."""
        return min(LEARNING_RATES.get(name.split()[0], DEFAULT_RATES), key=lambda lr: self._fvu_of_sweep(name, lr))

    def _fvu_of_sweep(self, name: str, lr: float) -> float:
        """Train once for the sweep, with most threads; a run of the log with another number of them will do."""
        job = Job(name, lr, self.options.sweep_steps, max(self.options.threads), None)
        logged = [known for known in self.runs if replace(known, threads=job.threads) == job]
        return float(self.run(logged[0] if logged else job)["fvu"])

    def document(self) -> dict[str, Any]:
        """Return the settings, a summary per number of threads, and every run."""
        settings = self.sizes | {
            name: getattr(self.options, name) for name in ("steps", "sweep_steps", "rounds", "threads")
        }
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
        return {
            "settings": settings,
            "machine": machine,
            "summary": {str(threads): self._summary(threads) for threads in self.options.threads},
            "runs": [vars(job) | result for job, result in self.runs.items()],
        }

    def _summary(self, threads: int) -> dict[str, dict[str, Any]]:
        """Medians over the rounds done so far; ratios are taken within a round, whose runs had the same load."""
        finished: dict[str, dict[int, dict[str, Any]]] = {}
        for job, result in self.runs.items():
            if job.turn is not None and job.threads == threads and job.steps == self.options.steps:
                finished.setdefault(job.name, {})[job.turn] = result | {"lr": job.lr}
        summary = {}
        for name, turns in finished.items():
            results = list(turns.values())
            row: dict[str, Any] = {key: statistics.median(result[key] for result in results) for key in FIGURES}
            for ratio, speed in (("speed_over", "samples_per_s"), ("cpu_speed_over", "samples_per_cpu_s")):
                row[ratio] = {peer: _ratio(turns, finished[peer], speed) for peer in self.peers if peer in finished}
            summary[name] = row | {"lr": results[0]["lr"], "rounds": len(results)}
        return summary


def _ratio(mine: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]], speed: str) -> float | None:
    shared: Sequence[int] = sorted(mine.keys() & theirs.keys())
    return statistics.median([mine[turn][speed] / theirs[turn][speed] for turn in shared]) if shared else None


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a float32 .npy [rows, d_in]; made afresh unless given")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--sweep-steps", type=int, default=300)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--peer-scripts", type=Path, help="folder of bench_NAME.py")
    parser.add_argument("--log", type=Path, help="a .jsonl of finished runs, which are not run again")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "sae_throughput.json")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--lr", type=float, default=4e-3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(train_ours(options)))
        return
    peers = dict(peer.split("=", 1) for peer in options.peer)
    if peers and options.peer_scripts is None:
        parser.error("--peer needs --peer-scripts")
    with tempfile.TemporaryDirectory() as folder:
        options.label = "made" if options.data is None else options.data.name
        if options.data is None:
            options.data = Path(folder) / "latents.npy"
            make_data(options.data)
        options.data = options.data.resolve()
        comparison = Comparison(options, peers)
        comparison.load_log()
        for document in comparison.compare():
            write_json(options.out, document)
        print(f"written to {options.out}")


if __name__ == "__main__":
    main()
