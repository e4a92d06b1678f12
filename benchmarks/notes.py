"""Notes of known pitch for the pitch benchmark: played by a General MIDI sound font, and summed from partials."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import soundfile

RATE_HZ = 22050
HOP = 1024
NOTE_S, GAP_S = 0.8, 0.4
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
INSTRUMENTS = {
    "piano": 0,
    "marimba": 12,
    "nylon guitar": 24,
    "violin": 40,
    "choir": 52,
    "trumpet": 56,
    "alto sax": 65,
    "clarinet": 71,
    "flute": 73,
    "saw lead": 81,
}
"""General MIDI programs, counted from 0."""
LOWEST, HIGHEST = 36, 84
"""C2 and C6."""
VELOCITIES = (112, 64, 88, 40)


@dataclass(frozen=True)
class Clip:
    """A stretch of notes and what is known about every frame of it."""

    name: str
    audio: npt.NDArray[np.float32]
    """``[N]`` at ``RATE_HZ``."""
    note: npt.NDArray[np.float64]
    """``[T]``: the true pitch as a MIDI note number, frame k around sample ``(k + 0.5) * HOP``; NaN without a note."""
    voiced: npt.NDArray[np.bool_]
    """``[T]``: a note sounds through the whole frame."""
    silent: npt.NDArray[np.bool_]
    """``[T]``: nothing sounds, nor in the frames beside it. What is neither (onsets, fading tails) does not count."""


def rendered(name: str, step: int) -> Clip:
    """Play every ``step``-th note from C2 to C6 with fluidsynth, reverb and chorus off, at four velocities in turn."""
    notes = list(range(LOWEST, HIGHEST + 1, step))
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "notes.mid"), Path(folder, "notes.wav")
        _midi(INSTRUMENTS[name], notes).save(midi)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.6", "-R", "0", "-C", "0", "-r", str(RATE_HZ), "-F", str(wav)]
        subprocess.run([*command, str(SOUND_FONT), str(midi)], check=True, capture_output=True)
        audio, rate_hz = soundfile.read(wav, dtype="float32", always_2d=True)
    if rate_hz != RATE_HZ:
        raise RuntimeError(f"fluidsynth wrote {rate_hz} Hz instead of {RATE_HZ} Hz")
    return _label(name, audio.mean(axis=1), notes, np.zeros(1))


def can_render() -> bool:
    """Whether fluidsynth and the sound font are here."""
    return shutil.which("fluidsynth") is not None and SOUND_FONT.exists()


def additive(name: str, amplitudes: npt.ArrayLike, step: int, vibrato_cents: float = 0.0) -> Clip:
    """Sum partials with the given amplitudes; vibrato at 5.5 Hz, ``vibrato_cents`` either way."""
    notes = list(range(LOWEST, HIGHEST + 1, step))
    count = round(NOTE_S * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    bend = vibrato_cents / 100 * np.sin(2 * np.pi * 5.5 * time_s)
    fade = np.clip(np.minimum(time_s, time_s[::-1]) / 0.01, 0, 1)
    gap = np.zeros(round(GAP_S * RATE_HZ))
    pieces = []
    for note in notes:
        frequency_hz = 440 * 2 ** ((note + bend - 69) / 12)
        phase = 2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ
        wave = np.zeros(count)
        for number, amplitude in enumerate(np.asarray(amplitudes, float), start=1):
            if number * frequency_hz.max() < 0.45 * RATE_HZ:
                wave += amplitude * np.sin(number * phase + number**2)
        pieces += [0.2 * fade * wave / max(np.sqrt(np.mean(wave**2)), 1e-9), gap]
    return _label(name, np.concatenate(pieces).astype(np.float32), notes, bend)


def with_level(clip: Clip, peak_db: float) -> Clip:
    """Scale to a peak in dB re full scale and round to 16 bits, as a file would."""
    scaled = clip.audio * 10 ** (peak_db / 20) / np.abs(clip.audio).max()
    return replace(clip, audio=(np.rint(scaled * 32767) / 32767).astype(np.float32))


def with_noise(clip: Clip, snr_db: float, seed: int) -> Clip:
    """Add white noise, the ratio taken against the mean power of the voiced frames."""
    frames = clip.audio[: len(clip.voiced) * HOP].reshape(-1, HOP)[clip.voiced]
    scale = np.sqrt(np.mean(np.square(frames, dtype=np.float64))) * 10 ** (-snr_db / 20)
    noise = scale * np.random.default_rng(seed).standard_normal(len(clip.audio))
    return replace(clip, audio=(clip.audio + noise).astype(np.float32))


def _label(name: str, audio: npt.NDArray[np.float32], notes: list[int], bend: npt.NDArray[np.float64]) -> Clip:
    """Cut to whole frames and say what each frame holds; ``bend`` is in semitones over the samples of a note."""
    frames = min(len(audio), round(len(notes) * (NOTE_S + GAP_S) * RATE_HZ)) // HOP
    audio = audio[: frames * HOP]
    level_db = 10 * np.log10(np.square(audio, dtype=np.float64).reshape(frames, HOP).mean(axis=1) + 1e-12)
    centre_s = (np.arange(frames) + 0.5) * HOP / RATE_HZ
    slot, since_s = np.divmod(centre_s, NOTE_S + GAP_S)
    slot = slot.astype(int)
    half_s = HOP / RATE_HZ / 2
    sounding = (since_s >= half_s) & (since_s <= NOTE_S - half_s)
    peak_db = np.array([level_db[slot == s].max() for s in range(slot[-1] + 1)])[slot]
    voiced = sounding & (level_db > np.maximum(peak_db - 40, -60))
    position = np.minimum((since_s * RATE_HZ).astype(int), len(bend) - 1)
    note = np.where(since_s < NOTE_S, np.asarray(notes, float)[slot] + bend[position], np.nan)
    quiet = np.pad(~sounding & (level_db < peak_db.max() - 70), 1, constant_values=True)
    return Clip(name, audio, note, voiced, quiet[:-2] & quiet[1:-1] & quiet[2:])


def _midi(program: int, notes: list[int]) -> mido.MidiFile:
    """Write the notes one after the other; one tick is one millisecond."""
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    track.append(mido.Message("program_change", program=program))
    for i, note in enumerate(notes):
        rest_ms = round(GAP_S * 1000) if i else 0
        track.append(mido.Message("note_on", note=note, velocity=VELOCITIES[i % len(VELOCITIES)], time=rest_ms))
        track.append(mido.Message("note_off", note=note, time=round(NOTE_S * 1000)))
    track.append(mido.MetaMessage("end_of_track", time=round(GAP_S * 1000)))
    return mido.MidiFile(type=0, ticks_per_beat=1000, tracks=[track])
