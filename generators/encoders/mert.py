"""MERT (arXiv 2306.00107): a HuBERT network at 24 kHz, read without the code that its checkpoints bring along."""

from __future__ import annotations

from typing import Any, Self

from generators.encoders.checkpoint import faults, load_extractor, load_model, require
from generators.encoders.waveform import WaveformEncoder

PLAIN = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0}
"""Settings with which MERT's network is HuBERT's, as in the released v1 models; others add parts that HuBERT lacks."""
_OF_THE_FILE = ("model_type", "architectures", "auto_map", "transformers_version")


class MertEncoder(WaveformEncoder):
    """MERT v1, loaded into transformers' HubertModel; every tensor of that network must be in the checkpoint."""

    @classmethod
    def from_pretrained(cls, name: str, settings: dict[str, Any]) -> Self:
        """Load as HuBERT. Raises ``CheckpointError`` for a MERT that is more than that."""
        from transformers import HubertConfig, HubertModel

        require(settings, name, PLAIN)
        with faults(name):
            config = HubertConfig.from_dict({key: settings[key] for key in settings if key not in _OF_THE_FILE})
        return cls(load_model(HubertModel, name, config), load_extractor(name), name)
