"""What ``mini`` was taught: its notes, instruments, levels and brightness, and the words that name them."""

from __future__ import annotations

LOWEST_MIDI, HIGHEST_MIDI = 48, 84
"""Range of notes, C3 to C6."""

INSTRUMENTS: dict[str, int] = {
    "piano": 0,
    "vibraphone": 11,
    "marimba": 12,
    "guitar": 24,
    "violin": 40,
    "choir": 52,
    "trumpet": 56,
    "saxophone": 65,
    "oboe": 68,
    "clarinet": 71,
    "flute": 73,
    "synth": 81,
}
"""Instrument -> General MIDI program, counted from 0."""

LEVELS_LUFS: dict[str, float] = {"pp": -38.0, "p": -32.0, "mf": -26.0, "f": -20.0, "ff": -14.0}
"""Dynamic level -> integrated loudness of the clip."""

BRIGHTNESS_DB_PER_OCTAVE: dict[str, float] = {"dark": -4.5, "neutral": 0.0, "bright": 4.5}
"""Brightness -> spectral tilt around 1 kHz added to the instrument's own spectrum."""

STYLE_TOKENS: tuple[str, ...] = (*INSTRUMENTS, *LEVELS_LUFS, *BRIGHTNESS_DB_PER_OCTAVE)
"""Vocabulary of the text encoder; a prompt is read as a set of these."""

PHRASES: dict[str, str] = {
    # instruments
    "grand piano": "piano", "pianoforte": "piano", "keyboard": "piano", "keys": "piano", "pianist": "piano",
    "vibes": "vibraphone", "vibraharp": "vibraphone",
    "xylophone": "marimba", "mallet": "marimba", "mallets": "marimba", "wooden bars": "marimba",
    "acoustic guitar": "guitar", "nylon guitar": "guitar", "classical guitar": "guitar", "guitarist": "guitar",
    "plucked strings": "guitar",
    "fiddle": "violin", "violinist": "violin", "bowed strings": "violin",
    "voices": "choir", "voice": "choir", "vocal": "choir", "vocals": "choir", "singers": "choir", "choral": "choir",
    "aahs": "choir", "singing": "choir",
    "cornet": "trumpet", "brass": "trumpet", "trumpeter": "trumpet",
    "sax": "saxophone", "alto sax": "saxophone", "alto saxophone": "saxophone", "saxophonist": "saxophone",
    "hautbois": "oboe", "oboist": "oboe",
    "clarinettist": "clarinet", "clarinetist": "clarinet",
    "flutist": "flute", "flautist": "flute", "transverse flute": "flute",
    "synthesizer": "synth", "synthesiser": "synth", "synth lead": "synth", "saw lead": "synth", "sawtooth": "synth",
    "saw wave": "synth", "lead synth": "synth", "electronic": "synth",
    # levels
    "pianissimo": "pp", "very quiet": "pp", "very soft": "pp", "very quietly": "pp", "very softly": "pp",
    "extremely quiet": "pp", "barely audible": "pp", "whispering": "pp", "whispered": "pp", "faint": "pp",
    "very gentle": "pp", "tiny": "pp", "hushed": "pp",
    "quiet": "p", "soft": "p", "quietly": "p", "softly": "p", "gentle": "p", "gently": "p", "calm": "p",
    "delicate": "p", "tender": "p", "subdued": "p",
    "mezzo forte": "mf", "mezzoforte": "mf", "medium loud": "mf", "moderate": "mf", "moderately loud": "mf",
    "medium": "mf", "normal volume": "mf", "medium volume": "mf", "mp": "mf", "mezzo piano": "mf",
    "forte": "f", "loud": "f", "loudly": "f", "strong": "f", "powerful": "f",
    "fortissimo": "ff", "very loud": "ff", "very loudly": "ff", "extremely loud": "ff", "blaring": "ff",
    "blasting": "ff", "as loud as possible": "ff", "thunderous": "ff", "deafening": "ff", "very strong": "ff",
    # brightness
    "muffled": "dark", "mellow": "dark", "dull": "dark", "warm": "dark", "muted": "dark", "darker": "dark",
    "plain": "neutral", "natural": "neutral", "neutral tone": "neutral",
    "brilliant": "bright", "sharp sounding": "bright", "crisp": "bright", "shiny": "bright", "sparkling": "bright",
    "brighter": "bright", "piercing": "bright", "shimmering": "bright", "brightly": "bright", "darkly": "dark",
}  # fmt: skip
"""Words and phrases -> style token. Longer phrases win; a style token is always its own phrase."""
