"""DiffRhythm (arXiv 2503.01183): the network, its sampler and a generator around them."""

from generators.diffrhythm.generator import DiffRhythmGenerator
from generators.diffrhythm.load import load_transformer
from generators.diffrhythm.lyrics import tokens_from_lrc
from generators.diffrhythm.sampling import sample
from generators.diffrhythm.transformer import DiffRhythmTransformer

__all__ = ["DiffRhythmGenerator", "DiffRhythmTransformer", "load_transformer", "sample", "tokens_from_lrc"]
