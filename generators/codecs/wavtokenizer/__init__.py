"""WavTokenizer (Ji et al., arXiv 2408.16532): 24 kHz mono speech, music and sound in one codebook."""

from generators.codecs.wavtokenizer.codec import WavTokenizer

__all__ = ["WavTokenizer"]
