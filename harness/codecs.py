"""Which codec a user named, with which weights: what is passed to other processes, stored, and loaded again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from generators.base import CheckpointError
from generators.codecs import CODECS
from generators.codecs.base import Codec
from generators.codecs.loading import load_class
from harness import registry
from harness.errors import InputError
from harness.models import load_codec


@dataclass(frozen=True)
class CodecSpec:
    """A codec and how to load it. None means the codec's own default."""

    name: str
    """Registered name."""
    weights: str | None = None
    """Checkpoint file or folder."""
    config: str | None = None
    """File that states what the checkpoint does not."""
    bandwidth_kbps: float | None = None
    """Of EnCodec: how many codebooks are in use."""
    bandwidth_id: int | None = None
    """Of WavTokenizer: row of the decoder's norms."""

    def load(self) -> Codec:
        """Load it, with latents that hold all that decoding needs.

        Raises ``InputError`` for an unknown name or an option that the codec does not take, ``CheckpointError`` for
        faulty weights.
        """
        options = {key: value for key, value in self.to_json().items() if key != "name"}
        if not options:
            return load_codec(self.name).standalone()
        kind = registry.find("codecs", CODECS, self.name)
        try:
            return load_class(kind, self.name, options.pop("weights", None), options).standalone()
        except CheckpointError:
            raise
        except ValueError as error:
            raise InputError(str(error)) from None

    def to_json(self) -> dict[str, Any]:
        """Return what is not None."""
        return {key: value for key, value in asdict(self).items() if value is not None}
