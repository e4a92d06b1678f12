"""EnCodec (Défossez et al., arXiv 2210.13438): 24 kHz mono and 48 kHz stereo, all bandwidths."""

from generators.codecs.encodec.codec import Encodec

__all__ = ["Encodec"]
