"""What flow-matching generators have in common: the plan, the sampling loop, the decoding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from generators.base import Branch, Generation, GenerationRequest, Generator, SamplingPlan, StepHook
from generators.hashing import tensors_sha256
from generators.noise import starting_noise
from generators.requests import RequestRules, resolve_batch, resolve_request, settled
from generators.sampling import GuidanceFn, VelocityFn, classifier_free, euler_sample, time_grid
from generators.tap import DenoiserTap


class FlowGenerator(Generator):
    """A flow sampled by even Euler steps under guidance, both branches in one network call.

    Subclasses set ``id``, ``codec``, ``denoiser`` and ``rules``, and say in ``conditions`` what the denoiser gets
    beside the state: it is called as ``denoiser(x_t, t, **conditions)`` with ``x_t`` ``[branches * B, T, C]`` and a
    float t, and returns the velocity. A denoiser that is called otherwise overrides ``velocity`` instead.
    """

    rules: RequestRules
    """What requests may ask for, and the defaults."""
    guidance_rule = "cond + guidance_scale * (cond - uncond)"
    """How branches are combined, in words for the trace; ``guide`` does it."""

    def conditions(self, requests: Sequence[GenerationRequest], plan: SamplingPlan) -> Mapping[str, Any]:
        """Prepare the denoiser's further arguments, stacked branch by branch in the order of ``plan.branches``."""
        return {}

    def velocity(self, requests: Sequence[GenerationRequest], plan: SamplingPlan, tap: DenoiserTap) -> VelocityFn:
        """Make the callable that ``euler_sample`` steps along; it tells ``tap`` what each network call belongs to."""
        conditions = self.conditions(requests, plan)

        def velocity(x_t: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
            with tap.at(step, t, branches, len(x_t)):
                stacked = self.denoiser(x_t.repeat(len(branches), 1, 1), t, **conditions)
            return tuple(stacked.chunk(len(branches)))

        return velocity

    def guide(self, scale: float) -> GuidanceFn:
        """Make the rule that combines the branches."""
        return classifier_free(scale)

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """Remark on what of a request had no effect; nothing by default."""
        return ()

    @property
    def weights_sha256(self) -> str:
        """Digest over the denoiser's weights and buffers."""
        return tensors_sha256(self.denoiser.state_dict())

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """Fill defaults in and check values by ``rules``."""
        return resolve_request(request, self.rules)

    def plan(self, request: GenerationRequest) -> SamplingPlan:
        """Work out times, shape and branches; guidance 0 runs the conditional branch alone."""
        request = self.resolve(request)
        return SamplingPlan(
            times=time_grid(settled(request.num_inference_steps)),
            frames=math.ceil(settled(request.duration_s) * self.codec.frame_rate_hz),
            channels=self.codec.latent_channels,
            branches=("cond", "uncond") if request.guidance_scale else ("cond",),
            sampler={
                "solver": "euler",
                "guidance": self.guidance_rule,
                "guidance_scale": request.guidance_scale,
            },
        )

    def generate_batch(self, requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        """Follow the flow from seeded noise, then decode."""
        resolved, plan = resolve_batch(self, requests)
        device = next(iter(self.denoiser.state_dict().values()), torch.empty(0)).device
        noise = starting_noise([request.seed for request in resolved], plan.frames, plan.channels).to(device)
        with torch.no_grad(), DenoiserTap(self.denoiser, hooks, plan.times, plan.branches) as tap:
            velocity = self.velocity(resolved, plan, tap)
            guide = self.guide(settled(resolved[0].guidance_scale))
            latents = euler_sample(velocity, noise, plan.times, branches=plan.branches, guide=guide, hooks=hooks)
            audio = self.codec.decode(latents)
        return [
            Generation(clip.cpu().numpy(), self.codec.sample_rate_hz, final.float().cpu(), request, self.notes(request))
            for clip, final, request in zip(audio, latents, resolved, strict=True)
        ]
