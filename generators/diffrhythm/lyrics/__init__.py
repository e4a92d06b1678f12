"""Lyrics for DiffRhythm: timed lines (LRC) to phones, phones to one token per latent frame."""

from generators.diffrhythm.lyrics.tokens import tokens_from_lrc

__all__ = ["tokens_from_lrc"]
