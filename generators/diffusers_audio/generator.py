"""Any text-to-audio pipeline of diffusers as a generator."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from generators.base import Generation, GenerationRequest, Generator, RequestError, SamplingPlan, StepHook
from generators.diffusers_audio.call import RECORD, SCHEDULER, WAVEFORMS, Call
from generators.diffusers_audio.codecs import codec_of
from generators.diffusers_audio.exchange import exchanged
from generators.diffusers_audio.families import FAMILIES
from generators.diffusers_audio.load import load_pipeline
from generators.diffusers_audio.observer import Observer
from generators.diffusers_audio.offload import weights_of
from generators.diffusers_audio.rehearsal import Rehearsal, rehearse
from generators.diffusers_audio.run import run
from generators.hashing import tensors_sha256
from generators.noise import noise_from, streams
from generators.requests import resolve_batch, resolve_request, settled

NETWORKS = ("transformer", "unet", "decoder")
"""Where the network of a pipeline that is not known may be."""


class DiffusersGenerator(Generator):
    """A pipeline of diffusers, watched at its scheduler and its network (registered as ``diffusers``).

    Guidance is diffusers' own: ``uncond + guidance_scale * (cond - uncond)``, so 1 and below mean none. Audio is what
    the codec makes of the final latents, before anything the pipeline would do to its level. Settings in
    ``request.options``: the plain arguments of the pipeline's call, and ``call.OWN_OPTIONS``.

    Parameters
    ----------
    pipeline
        A text-to-audio pipeline; it is set up for use here (no progress bar).
    name
        What becomes ``id``: the hub id or folder it came from.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        self.id = name
        self.pipeline = pipeline
        self.family = FAMILIES.get(type(pipeline).__name__)
        self.codec = codec_of(pipeline.components, name)
        self.denoiser = self._network()
        self._call = Call(pipeline, self.family, self.codec, self.denoiser)
        self._rehearsals: dict[str, Rehearsal] = {}
        pipeline.set_progress_bar_config(disable=True)

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        trust_remote_code: bool = False,
    ) -> Self:
        """Load a hub id or a folder in diffusers' layout. Raises ``CheckpointError`` saying what is wrong with it."""
        pipeline, name = load_pipeline(path, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
        return cls(pipeline, name)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the pipeline in diffusers' own layout."""
        self.pipeline.save_pretrained(directory)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over the denoiser's weights."""
        return tensors_sha256(weights_of(self.denoiser))

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """Fill defaults in and check values; what only the pipeline can check, ``plan`` does."""
        rules = self._call.rules
        resolved = resolve_request(request, rules)
        if not self._call.takes("guidance_scale") and resolved.guidance_scale:
            raise RequestError(f"{self._kind} has no guidance; leave `guidance_scale` out")
        if resolved.options[RECORD] not in ("all", "x_t"):
            raise RequestError(f"`{RECORD}` is {resolved.options[RECORD]!r}; give all or x_t")
        if resolved.options.get(WAVEFORMS, 1) != 1:
            raise RequestError(
                f"`{WAVEFORMS}` is {resolved.options[WAVEFORMS]!r}; one request is one waveform, with a trace of its "
                "own: make several requests with different seeds"
            )
        return resolved

    def plan(self, request: GenerationRequest) -> SamplingPlan:
        """Work out times, shape and branches by starting the pipeline and stopping it before the first network call."""
        request = self.resolve(request)
        rehearsal = self._rehearse(request)
        with exchanged(self.pipeline, request.options[SCHEDULER]):
            scheduler = self.pipeline.scheduler
            sampler = {
                "pipeline": self._kind,
                "solver": type(scheduler).__name__,
                "prediction": scheduler.config.get("prediction_type", "flow"),
                "guidance": self.family.guidance if self.family else "unknown",
                "guidance_scale": request.guidance_scale,
                "recorded": request.options[RECORD],
                "alpha": [level.alpha for level in rehearsal.levels],
                "sigma": [level.sigma for level in rehearsal.levels],
            }
        return SamplingPlan(
            times=tuple(level.t for level in rehearsal.levels),
            frames=rehearsal.layout.frames,
            channels=rehearsal.layout.channels,
            branches=rehearsal.branches,
            sampler=sampler,
        )

    def generate_batch(self, requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        """Run the pipeline on several requests at once, then decode."""
        resolved, plan = resolve_batch(self, requests)
        rehearsal = self._rehearse(resolved[0])
        random = streams(request.seed for request in resolved)
        arguments = self._call.arguments(resolved, random)
        observer = Observer(hooks, plan, rehearsal.levels, rehearsal.layout, self.family, len(resolved))
        with torch.no_grad(), exchanged(self.pipeline, resolved[0].options[SCHEDULER]):
            if self.family is not None:
                noise = rehearsal.layout.from_frames(noise_from(random, plan.frames, plan.channels)).contiguous()
                noise = noise.to(self.pipeline._execution_device, next(self.denoiser.parameters()).dtype)
                arguments["latents"] = observer.start(noise, rehearsal.noise_scale)
            with observer.attached(self.pipeline.scheduler, self.denoiser):
                run(self.pipeline, arguments)
            latents = observer.final
            audio = self.codec.decode(latents)[..., : self._samples(resolved[0])]
        self.pipeline.maybe_free_model_hooks()
        return [
            Generation(
                clip.cpu().numpy(), self.codec.sample_rate_hz, final.float().cpu(), request, self._notes(request)
            )
            for clip, final, request in zip(audio, latents, resolved, strict=True)
        ]

    @property
    def _kind(self) -> str:
        return type(self.pipeline).__name__

    def _network(self) -> nn.Module:
        """Return the denoiser itself, also when it was compiled."""
        names = [self.family.denoiser] if self.family else NETWORKS
        found = next(part for name in names if (part := getattr(self.pipeline, name, None)) is not None)
        network: nn.Module = getattr(found, "_orig_mod", found)
        return network

    def _rehearse(self, request: GenerationRequest) -> Rehearsal:
        """Rehearse a resolved request, once for all that differ in words and seed alone."""
        negative = request.negative_prompt is not None
        fixed = (request.duration_s, request.num_inference_steps, request.guidance_scale, negative, request.options)
        key = repr(fixed)
        if key not in self._rehearsals:
            states_alone = request.options[RECORD] == "x_t"
            with exchanged(self.pipeline, request.options[SCHEDULER]):
                arguments = self._call.arguments([request], streams([0]))
                self._rehearsals[key] = rehearse(
                    self.pipeline, arguments, self.denoiser, self.family, self.codec.latent_channels, states_alone
                )
        return self._rehearsals[key]

    def _samples(self, request: GenerationRequest) -> int:
        """Count the samples the user asked for; networks make whole frames, and some always all of them."""
        return max(1, math.floor(settled(request.duration_s) * self.codec.sample_rate_hz))

    def _notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """Say what could not be seen, and what of the request had no effect."""
        notes = []
        if self.family is None:
            notes.append(f"{self._kind} is not known here: guidance branches and hidden layers were not seen")
        if request.options[RECORD] == "x_t":
            notes.append("x_t alone was recorded: t counts steps, velocity and x1_hat are NaN")
        if request.prompt and not self._call.takes("prompt"):
            notes.append(f"{self._kind} takes no prompt; it had no effect")
        config = self.pipeline.scheduler.config
        if config.get("clip_sample") or config.get("thresholding"):
            notes.append("the scheduler clips its clean estimates; x1_hat is shown before clipping")
        return tuple(notes)
