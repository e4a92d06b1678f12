"""How well ``SetProperty`` steers ``mini``: held-out prompts and seeds, against a random control and Paek's way.

Everything is measured on the decoded sound. The instrument, as the "timbre class", is named by the classifier of
``benchmarks.mini_quality``, which needs FluidSynth; ``--small`` leaves it out.

    python -m benchmarks.steering --out benchmarks/results/steering.json --docs docs/steering.md [--small]

Every measured generation is kept under ``--work``; a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.steering import Comparison, Target, dose_response, summarise
from analysis.steering.effect import mean_over_runs
from benchmarks.mini_quality import (
    BRIGHTNESS_WORDS,
    INSTRUMENT_WORDS,
    LEVEL_WORDS,
    TEMPLATES,
    note_name,
)
from benchmarks.pages import insert
from benchmarks.steering_runs import KeptRuns
from benchmarks.timing import against, in_turns, report
from generators.base import GenerationRequest
from generators.mini.generator import MiniGenerator
from generators.mini.recipe.render import held_out
from generators.mini.vocabulary import HIGHEST_MIDI, INSTRUMENTS, LOWEST_MIDI
from harness.decoding.artifacts import latent_source, require_shipped
from harness.interventions.add import Add
from harness.interventions.base import Intervention
from harness.interventions.bind import bind
from harness.interventions.set_property import SetProperty
from harness.steering.arms import compare_all, control_of, natural_latents
from harness.steering.outcome import Outcome

FIRST_SEED, PROMPT_SEED = 70_000, 2026
"""Those of earlier runs (seeds from 50 000 on) were looked at while ``SetProperty`` was made; these were not."""
SEMITONES = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
CONTROLLED = (-3, 3)
LEVELS = tuple(LEVEL_WORDS[name] for name in ("p", "mf", "f"))
"""6 dB softer or louder than these can still be heard, and is still within full scale."""
LEVELS_DB = (-6.0, -3.0, 3.0, 6.0)
OCTAVES = (-0.5, -0.25, 0.25, 0.5)
PAEK_STRENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Multiples of the mean norm of a code; the best one counts."""
LOUDNESS_MOVED_DB = 2.0


@dataclass
class Bench:
    """``mini``, the requests, and their unsteered outcomes."""

    generator: MiniGenerator
    requests: list[GenerationRequest]
    runs: KeptRuns
    """What generates and measures."""
    judge: Future[Any] | None = None
    """Will name the instrument of a sound; None to leave that out."""
    baselines: list[Outcome] = field(default_factory=list)
    made: dict[str, list[Outcome]] = field(default_factory=dict)
    """Arm -> its outcomes."""
    instruments: dict[str, dict[str, str]] = field(default_factory=dict)
    """Arm -> run -> instrument heard, for arms that were listened to."""

    def __post_init__(self) -> None:
        self.baselines = self.generate("baseline", ())
        self.natural = natural_latents(self.baselines)

    def generate(self, arm: str, edits: Sequence[Intervention]) -> list[Outcome]:
        """Generate every request under ``edits``."""
        started = time.perf_counter()
        made = self.made[arm] = self.runs.outcomes(self.requests, edits)
        print(f"{arm}: {len(made)} runs in {time.perf_counter() - started:.0f} s", flush=True)
        return made

    def heard(self, arm: str, judge: Any) -> dict[str, str]:
        """Name the instrument of every run of an arm."""
        if arm not in self.instruments:
            names = judge.predict(self.runs.descriptions(self.made[arm]))
            self.instruments[arm] = {o.run: str(name) for o, name in zip(self.made[arm], names, strict=True)}
        return self.instruments[arm]

    def compare(self, arm: str, edits: Sequence[Intervention], target: Target) -> list[Comparison]:
        """Generate under ``edits`` and compare with the baselines."""
        return compare_all(self.baselines, self.generate(arm, edits), target, self.natural)

    def instrument_figures(self, comparisons: Sequence[Comparison]) -> dict[str, Any] | None:
        """Shares of runs of the pitch arms: heard as the same instrument as the baseline, and as the one asked for.

        The baseline's own share is given too: what is not heard as asked for before cannot be kept.
        """
        if self.judge is None:
            return None
        judge = self.judge.result()
        before = self.heard("baseline", judge)
        arms = {change: self.heard(pitch_arm(change), judge) for change in SEMITONES}
        asked = {o.run: instrument_of(k) for k, o in enumerate(self.baselines)}

        def now(comparison: Comparison) -> str:
            change = comparison.target and comparison.target.change
            return arms[round(change or 0)][comparison.run]

        right = [c for c in comparisons if before[c.run] == asked[c.run]]
        return {
            "same_as_baseline": _share(comparisons, lambda c: now(c) == before[c.run]),
            "as_asked": _share(comparisons, lambda c: now(c) == asked[c.run]),
            "baseline_as_asked": _share(comparisons, lambda c: before[c.run] == asked[c.run]),
            "as_asked_where_the_baseline_is": _share(right, lambda c: now(c) == asked[c.run]),
        }


def instrument_of(k: int) -> str:
    """Instrument of prompt ``k``: struck and sustained ones mixed, in small runs too."""
    return list(INSTRUMENTS)[5 * k % len(INSTRUMENTS)]


def pitch_arm(change: int) -> str:
    """Name the arm of a change of pitch."""
    return f"pitch {change:+d}"


def requests_of(count: int, notes: tuple[int, int]) -> list[GenerationRequest]:
    """Prompts in wordings and note/instrument combinations that training never saw, each with a seed of its own."""
    rng = np.random.default_rng(PROMPT_SEED)
    made = []
    for k in range(count):
        name = instrument_of(k)
        # Steered by up to 5 semitones, all have to stay where mini can play.
        kept = [n for n in range(LOWEST_MIDI + 5, HIGHEST_MIDI - 4) if held_out(name, n)]
        midis = [int(n) for n in rng.choice(kept, rng.integers(notes[0], notes[1] + 1))]
        prompt = str(rng.choice(TEMPLATES)).format(
            notes=" then ".join(note_name(n) for n in midis),
            level=rng.choice(LEVELS),
            brightness=rng.choice(list(BRIGHTNESS_WORDS.values())),
            instrument=INSTRUMENT_WORDS[name],
            article="a",
        )
        made.append(GenerationRequest(prompt, seed=FIRST_SEED + k))
    return made


def pitch_figures(bench: Bench) -> dict[str, Any]:
    """Success, loudness and instrument over all changes; the control at two of them."""
    found: list[Comparison] = []
    by_change = {}
    for change in SEMITONES:
        arm = pitch_arm(change)
        edits = [SetProperty("pitch", change=float(change))]
        comparisons = bench.compare(arm, edits, Target("pitch", change=change))
        found += comparisons
        by_change[change] = float(summarise(comparisons).reached.value)
    control: list[Comparison] = []
    for change in CONTROLLED:
        at_random = control_of([SetProperty("pitch", change=float(change))], bench.made[pitch_arm(change)])
        control += bench.compare(f"control {change:+d}", at_random, Target("pitch", change=change))
    eligible = [c for c in found if c.eligible]
    return {
        "runs": len(bench.requests),
        "eligible": len({c.run for c in eligible}),
        "reached": summarise(found).reached.to_json(),
        "reached_by_change": by_change,
        "loudness_moved_less_than_2_db": _share(eligible, lambda c: abs(c.change["loudness"]) < LOUDNESS_MOVED_DB),
        "mean_loudness_change_db": mean_over_runs(eligible, lambda c: c.change["loudness"]).to_json(),
        "mean_centroid_change_octaves": mean_over_runs(eligible, lambda c: c.change["timbre"]).to_json(),
        "instrument": bench.instrument_figures(eligible),
        "control_reached": summarise(control).reached.to_json(),
        "steered": summarise(found).to_json(),
        "control": summarise(control).to_json(),
    }


def dose_figures(bench: Bench, name: str, doses: Sequence[float]) -> dict[str, Any]:
    """Dose-response of a property, and whether the pitch is kept."""
    arms = [bench.compare(f"{name} {d:+g}", [SetProperty(name, change=d)], Target(name, change=d)) for d in doses]
    runs = [c.run for c in arms[0]]
    response = dose_response(doses, np.array([[c.change[name] for c in arm] for arm in arms]).T, runs)
    lufs = dose_response(doses, np.array([[c.lufs_change for c in arm] for arm in arms]).T, runs)
    pitched = [c for arm in arms for c in arm if np.isfinite(c.unchanged["pitch"])]
    return {
        "doses": list(doses),
        "response": response.to_json(),
        "lufs": lufs.to_json(),
        "pitch_kept": _share(pitched, lambda c: c.kept("pitch")),
        "reached": summarise([c for arm in arms for c in arm]).reached.to_json(),
        "steered": summarise([c for arm in arms for c in arm]).to_json(),
    }


def paek_figures(generator: MiniGenerator, requests: Sequence[GenerationRequest], runs: KeptRuns) -> dict[str, Any]:
    """Ours and the published manipulation on the same single notes and seeds, a third up and down."""
    bench = Bench(generator, list(requests), runs)
    ours: list[Comparison] = []
    theirs: dict[float, list[Comparison]] = {strength: [] for strength in PAEK_STRENGTHS}
    pending: list[tuple[float, Target, Outcome, Future[Outcome]]] = []
    norm = _mean_code_norm(bench)
    for change in CONTROLLED:
        target = Target("pitch", change=change)
        ours += bench.compare(f"ours {change:+d}", [SetProperty("pitch", change=float(change))], target)
        for strength, baseline in itertools.product(PAEK_STRENGTHS, bench.baselines):
            note = baseline.measures.typical("pitch") + change
            request = next(r for r in bench.requests if f"{r.seed}: {r.prompt}" == baseline.run)
            if not np.isfinite(note):
                continue
            edit = Add(property="pitch", value=float(note), mode="paek", strength=strength * norm)
            pending.append((strength, target, baseline, runs.submit(request, [edit])))
    for strength, target, baseline, made in pending:
        theirs[strength] += compare_all([baseline], [made.result()], target, bench.natural)
    by_strength = {strength: summarise(found) for strength, found in theirs.items()}
    best = max(by_strength, key=lambda strength: float(by_strength[strength].reached.value))
    arms = {"ours": summarise(ours), "paek": by_strength[best]}
    return {
        "runs": len(requests),
        "paek_strength": best,
        "paek_reached_by_strength": {s: float(effect.reached.value) for s, effect in by_strength.items()},
        **{name: effect.to_json() for name, effect in arms.items()},
    }


def cost_figures(generator: MiniGenerator, rounds: int) -> dict[str, Any]:
    """Wall and CPU time of a generation with each edit, against one without, in turns."""
    request = GenerationRequest("a gentle bright flute melody", seed=FIRST_SEED)
    edits: dict[str, Sequence[Intervention]] = {
        "none": (),
        "pitch": (SetProperty("pitch", change=3.0),),
        "loudness": (SetProperty("loudness", change=-6.0),),
        "timbre": (SetProperty("timbre", change=0.5),),
    }
    hooks = {name: bind(acting, generator, request) for name, acting in edits.items()}

    def generation(name: str) -> Callable[[], object]:
        return lambda: generator.generate(request, hooks[name])

    return against(in_turns({name: generation(name) for name in edits}, rounds), "none")


def markdown(result: dict[str, Any]) -> str:
    """Write the table of docs/steering.md: what was aimed at, and what was measured."""
    pitch, loudness, timbre, paek = (result[name] for name in ("pitch", "loudness", "timbre", "paek"))
    cost = max(row["cpu_ratio"] for name, row in result["cost"].items() if name != "none") - 1
    leak = {
        arm: ", ".join(f"{part['property']} {part['in_spreads']['value']:.2f}" for part in others(paek[arm]))
        for arm in ("ours", "paek")
    }
    reached = [_ends(paek[arm]["reached"]) for arm in ("ours", "paek")]
    heard = pitch["instrument"] or {}
    as_asked = f"{_ends(heard.get('as_asked'))}; unsteered {_ends(heard.get('baseline_as_asked'))}"
    ranks = (found["spearman"] for found in (loudness["lufs"], timbre["response"]))
    level, centroid = (f"{rank['value']:.2f} [{rank['low']:.2f}, {rank['high']:.2f}]" for rank in ranks)
    rows = [
        ("pitch ±1 to ±5 semitones, within 50 cents of the target", "≥ 80 %", _ends(pitch["reached"])),
        ("- loudness moved by less than 2 dB", "≥ 80 %", _ends(pitch["loudness_moved_less_than_2_db"])),
        ("- heard as the same instrument as before", "≥ 80 %", _ends(heard.get("same_as_baseline"))),
        ("- heard as the instrument asked for", "", as_asked),
        ("- the same, where the unsteered sound is", "", _ends(heard.get("as_asked_where_the_baseline_is"))),
        ("- random edits of the same size on target", "< 10 %", _ends(pitch["control_reached"])),
        ("loudness ±6 dB: rank correlation of dose and LUFS", "≥ 0.95", level),
        ("- pitch kept within 50 cents", "≥ 90 %", _ends(loudness["pitch_kept"])),
        ("timbre ±0.5 octaves: rank correlation of dose and centroid", "≥ 0.9", centroid),
        ("- pitch kept within 50 cents", "≥ 85 %", _ends(timbre["pitch_kept"])),
        ("pitch ±3, ours against Paek's: on target", "higher", " against ".join(reached)),
        ("- leakage in spreads between runs", "not higher", f"{leak['ours']} against {leak['paek']}"),
        ("time an edit adds to a generation", "< 10 %", f"{cost:.0%}"),
    ]  # fmt: skip
    head = [
        f"`mini` with weights `{result['weights_sha256'][:12]}`, {pitch['runs']} prompts and seeds, "
        f"{pitch['eligible']} of them voiced and stable"
        + ("; a small run, too noisy to quote." if result["small"] else "."),
        "",
        "| what | aim | measured |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def others(effect: dict[str, Any]) -> list[dict[str, Any]]:
    """Leakage into what was not steered."""
    return [part for name, part in effect["leakage"].items() if name != "pitch"]


def _share(comparisons: Sequence[Comparison], value: Callable[[Comparison], bool]) -> dict[str, Any]:
    return mean_over_runs(comparisons, lambda c: float(value(c))).to_json()


def _mean_code_norm(bench: Bench) -> float:
    """Mean norm of the SAE's code of unsteered final latents, which sets the scale of Paek's strengths."""
    import torch

    sae = require_shipped(latent_source(bench.generator.codec)).sae
    if sae is None:
        raise RuntimeError("mini ships without an SAE")
    frames = torch.from_numpy(np.concatenate([outcome.latents for outcome in bench.baselines]))
    return float(sae.encode(frames).detach().norm(dim=-1).mean())


def _ends(record: dict[str, Any] | None) -> str:
    if record is None:
        return "not judged"
    return f"{record['value']:.0%} [{record['low']:.0%}, {record['high']:.0%}]"


def main() -> None:
    """Measure everything, write one JSON document, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/steering.json"))
    parser.add_argument("--docs", type=Path, help="page whose table is to be replaced")
    parser.add_argument("--small", action="store_true", help="a few runs and no classifier; figures too noisy to quote")
    parser.add_argument("--runs", type=int, help="prompts; default 24, small 4")
    parser.add_argument("--rounds", type=int, help="generations of each kind that are timed; default 6, small 2")
    parser.add_argument("--without-classifier", action="store_true", help="name no instruments")
    parser.add_argument("--workers", type=int, default=1, help="processes that generate")
    parser.add_argument("--work", type=Path, default=Path("work/steering"), help="folder for measured generations")
    arguments = parser.parse_args()
    small = arguments.small
    count = arguments.runs or (4 if small else 24)
    generator = MiniGenerator.from_pretrained()
    with KeptRuns(arguments.work, arguments.workers) as runs:
        judge = None if small or arguments.without_classifier else runs.classifier(2000)
        bench = Bench(generator, requests_of(count, (1, 3)), runs, judge)
        result = {
            "weights_sha256": generator.weights_sha256,
            "small": small,
            "loudness": dose_figures(bench, "loudness", LEVELS_DB),
            "timbre": dose_figures(bench, "timbre", OCTAVES),
            "paek": paek_figures(generator, requests_of(max(count // 2, 2), (1, 1)), runs),
            "pitch": pitch_figures(bench),  # last: it waits for the classifier
        }
    result["cost"] = cost_figures(generator, arguments.rounds or (2 if small else 6))
    report(result, arguments.out)
    print(markdown(result))
    if arguments.docs:
        insert(arguments.docs, "benchmarks/steering.py", markdown(result))


if __name__ == "__main__":
    main()
