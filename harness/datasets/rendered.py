"""Rendered clips as units: random notes of known pitch, as the recipe of ``mini`` plays them with FluidSynth."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from harness.datasets.collect import Clip
from harness.errors import InputError

CLIPS = 32
"""Melodies in a unit."""
FINISHES = 2
"""How often each is tilted and levelled anew."""
MOST_NOTES = 12
"""Of a melody of 5 s. Frames of one note resemble one another, so many notes teach more than many frames."""
RESTS = 0.08
"""Share of the notes after the first that are rests."""


@dataclass(frozen=True)
class RenderedClips:
    """Melodies of one seed. ``held_out`` ones use only the combinations that ``mini`` was never trained on."""

    seed: int
    count: int = CLIPS
    held_out: bool = False

    @property
    def name(self) -> str:
        """Such as ``rendered:7``."""
        return f"rendered:{'held-out:' if self.held_out else ''}{self.seed}"

    @property
    def version(self) -> str:
        """Number of melodies; all else follows from the name."""
        return str(self.count)

    def clips(self, segment_s: float) -> Iterator[Clip]:
        """Play and finish the melodies; each finish is a clip of its own, of one group."""
        from generators.mini.recipe.render import SAMPLE_RATE_HZ, finish, random_finish

        rng = np.random.default_rng((self.seed, 1))
        for index, dry in enumerate(self._play()):
            for version in range(FINISHES):
                *_, lufs, tilt = random_finish(rng)
                audio = finish(dry, tilt, lufs)
                yield Clip(
                    name=f"{self.name}/{index}.{version}",
                    sha256=hashlib.sha256(audio.tobytes()).hexdigest(),
                    group=f"{self.name}/{index}",
                    split="test" if self.held_out else None,
                    sample_rate_hz=SAMPLE_RATE_HZ,
                    channels=1,
                    segments=[audio[None]],
                )

    def _play(self) -> list[np.ndarray]:
        from generators.mini.recipe.render import FRAMES, held_out, play
        from generators.mini.score import spread
        from generators.mini.vocabulary import HIGHEST_MIDI, INSTRUMENTS, LOWEST_MIDI

        rng, names = np.random.default_rng((self.seed, 0)), list(INSTRUMENTS)
        plans = []
        for index in range(self.count):
            instrument = names[index % len(names)]
            allowed = [n for n in range(LOWEST_MIDI, HIGHEST_MIDI + 1) if held_out(instrument, n) == self.held_out]
            notes = rng.choice(allowed, rng.integers(1, MOST_NOTES + 1))
            midis = [int(note) if i == 0 or rng.random() > RESTS else None for i, note in enumerate(notes)]
            plans.append((instrument, tuple(spread(midis, FRAMES)), FRAMES, int(rng.integers(45, 120))))
        return [clip.audio for clip in play(plans)]


def rendered_units(count: int, seed: int = 0, *, held_out: bool = False) -> list[RenderedClips]:
    """Units of ``count`` clips in all. Raises ``InputError`` when a program or package that is needed is missing."""
    missing = [
        name for name, there in (("fluidsynth", shutil.which("fluidsynth")), ("mido", find_spec("mido"))) if not there
    ]
    if missing:
        raise InputError(
            f"rendering needs {' and '.join(missing)}; install the program fluidsynth with the SoundFont "
            "fluid-soundfont-gm, and the Python package mido"
        )
    melodies = -(-count // FINISHES)
    sizes = [min(CLIPS, melodies - first) for first in range(0, melodies, CLIPS)]
    return [RenderedClips(1_000_000 + 1000 * seed + index, size, held_out) for index, size in enumerate(sizes)]
