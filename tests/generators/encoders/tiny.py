"""Tiny random checkpoints of the real classes, saved as the hub has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers as t
from safetensors.torch import load_file, save_file

CONVOLUTIONS = {
    "conv_dim": (16, 16, 16), "conv_stride": (5, 8, 8), "conv_kernel": (10, 8, 8), "num_feat_extract_layers": 3,
    "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
"""A hop of 320 samples, as in the released models."""


def _save(folder: Path, model: t.PreTrainedModel, extractor: object) -> Path:
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _waveform(config: type, model: type) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.manual_seed(0)
        norm = {} if config is t.Data2VecAudioConfig else {"feat_extract_norm": "layer"}
        return _save(folder, model(config(**CONVOLUTIONS, **norm)), t.Wav2Vec2FeatureExtractor())

    return make


def _ast(folder: Path) -> Path:
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    config = t.ASTConfig(**sizes, patch_size=4, frequency_stride=4, time_stride=4, max_length=100, num_mel_bins=16)
    return _save(folder, t.ASTModel(config), t.ASTFeatureExtractor(max_length=100, num_mel_bins=16))


def _whisper(folder: Path) -> Path:
    torch.manual_seed(0)
    config = t.WhisperConfig(
        d_model=24, encoder_layers=3, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=8, max_source_positions=50, vocab_size=32,
        max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    return _save(folder, t.WhisperModel(config), t.WhisperFeatureExtractor(feature_size=8, chunk_length=1))


def _mert(folder: Path, **changed: object) -> Path:
    """As on the hub: another model type, a pointer to code, settings HuBERT does not know, weight norm in old names."""
    torch.manual_seed(0)
    config = t.HubertConfig(**CONVOLUTIONS, feat_extract_norm="group")
    _save(folder, t.HubertModel(config), t.Wav2Vec2FeatureExtractor(sampling_rate=24000))
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | {
        "model_type": "mert_model", "architectures": ["MERTModel"], "feature_extractor_cqt": False, "deepnorm": False,
        "attention_relax": -1.0, "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}, **changed,
    }  # fmt: skip
    path.write_text(json.dumps(settings))
    weights = folder / "model.safetensors"
    renamed = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in load_file(weights).items()
    }
    save_file(renamed, weights, metadata={"format": "pt"})
    return folder


MAKERS: dict[str, Callable[..., Path]] = {
    "ast": _ast,
    "hubert": _waveform(t.HubertConfig, t.HubertModel),
    "wav2vec2": _waveform(t.Wav2Vec2Config, t.Wav2Vec2Model),
    "wavlm": _waveform(t.WavLMConfig, t.WavLMModel),
    "whisper": _whisper,
    "mert": _mert,
}
