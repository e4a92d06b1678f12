"""Calling a pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def run(pipeline: Any, arguments: Mapping[str, Any]) -> None:
    """Call a pipeline without gradients, and without remarks on steps outside the schedule that it makes on purpose."""
    with torch.no_grad(), warnings.catch_warnings():
        # The last step of an SDE solver goes below the smallest sigma its noise was set up for.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torchsde\..*")
        pipeline(**_with_features(pipeline, arguments))


def _with_features(pipeline: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Encode the words for MusicLDM, whose own way breaks with transformers 5: it expects a bare tensor there."""
    if type(pipeline).__name__ != "MusicLDMPipeline":
        return dict(arguments)
    rest = {name: value for name, value in arguments.items() if name not in ("prompt", "negative_prompt")}
    rest["prompt_embeds"] = _text_features(pipeline, arguments["prompt"])
    if arguments["guidance_scale"] > 1:
        negative = arguments.get("negative_prompt", [""] * len(arguments["prompt"]))
        rest["negative_prompt_embeds"] = _text_features(pipeline, negative)
    return rest


def _text_features(pipeline: Any, texts: Sequence[str]) -> Tensor:
    """CLAP's embeddings ``[B, D]``."""
    limit = pipeline.tokenizer.model_max_length
    tokens = pipeline.tokenizer(texts, padding="max_length", max_length=limit, truncation=True, return_tensors="pt")
    tokens = tokens.to(pipeline._execution_device)
    found = pipeline.text_encoder.get_text_features(tokens.input_ids, attention_mask=tokens.attention_mask)
    features: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return features
