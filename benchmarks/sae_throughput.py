"""Training speed of a top-k SAE on the CPU, beside other libraries' trainers on the same batches of the same data.

    python -m benchmarks.sae_throughput [--threads 1] [--steps 2000] [--out benchmarks/results/sae_throughput.json]
        [--peer-scripts FOLDER --peer sparsify=PYTHON --peer dictionary_learning=PYTHON ...]

Without peers it measures ours alone. A peer is a Python interpreter that has the library; ``FOLDER`` holds a
``bench_NAME.py`` for each, which takes --data --width --k --batch --steps --lr --threads and prints one JSON line with
``samples_per_s``, ``samples_per_cpu_s`` and ``fvu`` (on rows held out of training). Every library first tries
``--learning-rates``, each with all its steps, and keeps the one of lowest fvu; then all run in turns, ``--rounds``
times. Each run is a process of its own. On a busy machine compare the ratios of samples per CPU second.
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
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import report

ROOT = Path(__file__).resolve().parent.parent
OURS = ("ours float32", "ours bf16")
LEARNING_RATES = {"ours": [2e-3, 4e-3, 8e-3], "sparsify": [3.5e-3, 7e-3, 1.4e-2]}
"""Learning rates tried unless told: for other peers ``DEFAULT_RATES``. Optimisers differ, and so do their scales."""
DEFAULT_RATES = [3e-4, 1e-3, 3e-3]
SKIPPED_STEPS = 5
"""Steps before the clock starts."""
PEER_OPTIONS = {"sparsify": ["--via", "loop"]}
"""The fastest way each peer offers, where there is a choice."""


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

    torch.set_num_threads(options.threads)
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


def run_once(name: str, lr: float, options: argparse.Namespace) -> dict[str, Any]:
    """Train one library in a fresh process and return what it printed."""
    settings = {"data": options.data, "width": options.width, "k": options.k, "batch": options.batch}
    settings |= {"steps": options.steps, "threads": options.threads, "lr": lr}
    flags = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    if name in OURS:
        command = [
            sys.executable,
            "-m",
            "benchmarks.sae_throughput",
            "--worker",
            "--precision",
            name.split()[1],
            *flags,
        ]
        folder = ROOT
    else:
        folder = Path(options.peer_scripts)
        command = [options.peers[name], f"bench_{name}.py", *flags, *PEER_OPTIONS.get(name, [])]
    threads = str(options.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"{name:20s} lr {lr:<8g} {result['samples_per_cpu_s']:10.0f} samples/cpu-s  fvu {result['fvu']:.4f}",
        file=sys.stderr,
    )
    return {"name": name, "lr": lr, **result}


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Find every library's best learning rate, then time all in turns."""
    names = [*OURS, *options.peers]
    sweep, best = [], {}
    for name in names:
        rates = options.learning_rates or LEARNING_RATES.get(name.split()[0], DEFAULT_RATES)
        tried = [run_once(name, lr, options) for lr in rates]
        best[name] = min(tried, key=lambda run: run["fvu"])["lr"]
        sweep += tried
    rounds = [[run_once(name, best[name], options) for name in names] for _ in range(options.rounds)]
    summary = {}
    for i, name in enumerate(names):
        runs = [turn[i] for turn in rounds]
        summary[name] = {
            key: statistics.median(run[key] for run in runs) for key in ("samples_per_s", "samples_per_cpu_s", "fvu")
        }
        summary[name]["lr"] = best[name]
        # Ratios within a round: both ran under the same load.
        summary[name]["cpu_speed_over"] = {
            other: statistics.median(turn[i]["samples_per_cpu_s"] / turn[j]["samples_per_cpu_s"] for turn in rounds)
            for j, other in enumerate(names)
            if other in options.peers
        }
    return {"summary": summary, "sweep": sweep, "rounds": rounds}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a float32 .npy [rows, d_in]; made afresh unless given")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--learning-rates", type=float, nargs="+", help="tried by every library")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--peer-scripts", type=Path, help="folder of bench_NAME.py")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "sae_throughput.json")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--lr", type=float, default=4e-3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(train_ours(options)))
        return
    options.peers = dict(peer.split("=", 1) for peer in options.peer)
    if options.peers and options.peer_scripts is None:
        parser.error("--peer needs --peer-scripts")
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            options.data = Path(folder) / "latents.npy"
            make_data(options.data)
        options.data = options.data.resolve()
        measured = compare(options)
    settings = {name: getattr(options, name) for name in ("width", "k", "batch", "steps", "threads", "rounds")}
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    report({"settings": settings, "machine": machine, **measured}, options.out)


if __name__ == "__main__":
    main()
