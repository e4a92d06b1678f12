"""EnCodec models that are loaded already, taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from generators.base import CheckpointError
from generators.codecs.encodec.coders import Coders
from generators.codecs.encodec.names import rename
from generators.codecs.encodec.settings import EncodecSettings, read_settings, stated_values


def model_parts(model: Any) -> tuple[Coders, EncodecSettings]:
    """Networks and settings of an ``encodec.EncodecModel`` or a ``transformers.EncodecModel``, in evaluation mode.

    Raises ``CheckpointError`` when it is neither.
    """
    name = f"{type(model).__module__}.{type(model).__name__}"
    if name == "encodec.model.EncodecModel":
        books = [layer.codebook for layer in model.quantizer.vq.layers]
        document = {
            "sample_rate": model.sample_rate,
            "causal": model.encoder.model[0].causal,
            "normalize": model.normalize,
            "segment": model.segment,
            "overlap": model.overlap,
            "target_bandwidths": model.target_bandwidths,
        }
    elif name == "transformers.models.encodec.modeling_encodec.EncodecModel":
        books = [layer.codebook.embed for layer in model.quantizer.layers]
        document = model.config.to_dict()
    else:
        raise CheckpointError(f"a {name} was given; give an EncodecModel of the package encodec or of transformers")
    settings = read_settings(rename(model.state_dict()), stated_values(document, name), Path(name))
    encoder, decoder = (network.eval().requires_grad_(False) for network in (model.encoder, model.decoder))
    return Coders(encoder, decoder, torch.stack(books)), settings
