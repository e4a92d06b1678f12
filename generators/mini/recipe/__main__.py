"""Run the whole recipe: ``python -m generators.mini.recipe [--work FOLDER]``. Finished stages are not repeated."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from generators.mini.codec import WEIGHTS as CODEC_WEIGHTS
from generators.mini.recipe import codec, dataset, flow


def main() -> None:
    """Render, train the codec, encode, train the flow model; each stage resumes where it stopped."""
    parser = argparse.ArgumentParser(description="Train mini from nothing.")
    parser.add_argument("--work", type=Path, default=Path("work/mini"), help="folder for intermediate files (10 GB)")
    parser.add_argument("--workers", type=int, default=2, help="processes that render and encode")
    parser.add_argument("--codec-steps", type=int, default=codec.STEPS, help="updates of the codec")
    parser.add_argument("--flow-steps", type=int, default=flow.STEPS, help="updates of the flow model")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    trained = arguments.work / "codec.done"
    if not trained.is_file():
        codec.train(arguments.work, arguments.codec_steps)
        trained.write_text(str(CODEC_WEIGHTS) + "\n")
    for stage in (dataset.render, dataset.encode):
        with ProcessPoolExecutor(arguments.workers) as pool:
            list(pool.map(stage, [arguments.work] * len(dataset.shards()), dataset.shards()))
    flow.train(arguments.work, arguments.flow_steps)


if __name__ == "__main__":
    main()
