"""What a pipeline's call takes, read off its signature, and how a request becomes its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from generators.base import GenerationRequest
from generators.codecs.base import Codec
from generators.diffusers_audio.families import Family
from generators.requests import RequestRules

DURATIONS = ("audio_end_in_s", "audio_duration_s", "audio_length_in_s", "audio_duration", "duration")
"""What pipelines call the length in seconds."""
MAX_DURATION_S = 600.0
"""Longest audio asked of a pipeline that sets no limit of its own."""
DEFAULT_DURATION_S = 10.0
"""Where neither the pipeline's call nor its network says how long."""
MANAGED = frozenset(
    {
        "prompt",
        "negative_prompt",
        "lyrics",
        "num_inference_steps",
        "guidance_scale",
        "generator",
        "latents",
        "output_type",
        "return_dict",
        "callback_steps",
        "audio_start_in_s",
        "timesteps",
        "batch_size",
        *DURATIONS,
    }
)
"""Arguments that the request's own fields stand for, or that one trajectory per request leaves no choice of."""
WAVEFORMS = "num_waveforms_per_prompt"
"""Settable where a call takes it, to 1 alone: each waveform is a request of its own, with a trace of its own."""
RECORD = "record"
SCHEDULER = "scheduler"
OWN_OPTIONS = {RECORD: "all", SCHEDULER: None}
"""Settings beside those of a pipeline's call: ``record`` is ``all`` or ``x_t``, ``scheduler`` the name of a class."""
SCALARS = (bool, int, float, str)


class Call:
    """The signature of one pipeline's ``__call__``, and the limits its parts set."""

    def __init__(self, pipeline: Any, family: Family | None, codec: Codec, network: Any) -> None:
        self._parameters = inspect.signature(type(pipeline).__call__).parameters
        self._duration = next((name for name in DURATIONS if self.takes(name)), None)
        self._family = family
        self.rules = self._rules(pipeline, codec, network)

    def takes(self, name: str) -> bool:
        """Say whether the call has a parameter of this name."""
        return name in self._parameters

    def arguments(self, requests: Sequence[GenerationRequest], streams: Sequence[Any]) -> dict[str, Any]:
        """Turn resolved requests of one plan into keyword arguments; ``streams`` are their random generators."""
        first = requests[0]
        wanted: dict[str, Any] = {
            "prompt": [request.prompt for request in requests],
            "num_inference_steps": first.num_inference_steps,
            "guidance_scale": first.guidance_scale,
            "generator": list(streams),
            "output_type": "latent",
        }
        if not self.takes("prompt"):
            wanted["batch_size"] = len(requests)
        if self._duration is not None:
            wanted[self._duration] = first.duration_s
        wanted["lyrics"] = [request.lyrics or "" for request in requests]
        if any(request.negative_prompt is not None for request in requests):
            wanted["negative_prompt"] = [request.negative_prompt or "" for request in requests]
        given = {name: first.options[name] for name in self.rules.options if name in self._parameters}
        return {name: value for name, value in {**wanted, **given}.items() if self.takes(name)}

    def _rules(self, pipeline: Any, codec: Codec, network: Any) -> RequestRules:
        """Defaults and limits: those of the call, then of the parts, then ours."""
        size = network.config.get("sample_size")
        natural_s = size * codec.hop_samples / codec.sample_rate_hz if isinstance(size, int) else DEFAULT_DURATION_S
        # Stable Audio always makes all its frames; nothing longer fits.
        longest_s = natural_s if self._duration == "audio_end_in_s" else MAX_DURATION_S
        stochastic = pipeline.scheduler.config.get("stochastic_sampling", False)
        steps = self._default("num_inference_steps") or (8 if stochastic else 100)
        return RequestRules(
            duration_s=self._default(self._duration) or natural_s,
            num_inference_steps=steps,
            guidance_scale=0.0 if getattr(pipeline, "is_turbo", False) else float(self._default("guidance_scale") or 0),
            max_duration_s=float(getattr(pipeline, "max_wav_duration", longest_s)),
            negative_prompt=self.takes("negative_prompt"),
            lyrics=self.takes("lyrics"),
            options=self._options(),
        )

    def _default(self, name: str | None) -> Any:
        return self._parameters[name].default if name is not None and name in self._parameters else None

    def _options(self) -> Mapping[str, Any]:
        """Collect further arguments a user can set: those whose default is a plain value."""
        refused = MANAGED | set(self._family.refused if self._family else ())
        return OWN_OPTIONS | {
            name: parameter.default
            for name, parameter in self._parameters.items()
            if name not in refused and (isinstance(parameter.default, SCALARS) or _plain_annotation(parameter))
        }


def _plain_annotation(parameter: inspect.Parameter) -> bool:
    """Say whether a parameter that may be left out takes text or a number."""
    text = str(parameter.annotation)
    foreign = any(word in text for word in ("Tensor", "Callable", "dict", "Dict", "ist[float]"))
    return parameter.default is None and not foreign and any(word in text for word in ("str", "int", "float"))
