"""DiffRhythm as a generator: a network, a codec, and where the style vectors come from."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from generators import folder
from generators.base import (
    CheckpointError,
    Generation,
    GenerationRequest,
    Generator,
    SamplingPlan,
    StepHook,
)
from generators.codecs.base import Codec
from generators.codecs.windows import WINDOW_FRAMES, windows
from generators.diffrhythm.codec import OWN_CODEC, load_codec, save_codec
from generators.diffrhythm.cost import call_flops
from generators.diffrhythm.editing import check_recording, edit_ranges, encode_recording
from generators.diffrhythm.lengths import SongLengths
from generators.diffrhythm.load import load_transformer
from generators.diffrhythm.lyrics.tokens import Placement
from generators.diffrhythm.muq_process import MuqStyle
from generators.diffrhythm.original import load_original
from generators.diffrhythm.rehearsal import outputs
from generators.diffrhythm.request import OPTIONS, check_options, place_lyrics, token_row
from generators.diffrhythm.sampling import MIN_GUIDANCE, sample
from generators.diffrhythm.style import (
    NEGATIVE_STYLE,
    StyleEncoder,
    StyleSource,
    hashed_vector,
    negative_style_of,
    read_vector,
    style_of,
)
from generators.diffrhythm.transformer import AttentionKind, DiffRhythmTransformer
from generators.hashing import tensors_sha256
from generators.noise import starting_noise
from generators.requests import RequestRules, resolve_batch, resolve_request, settled
from generators.sampling import time_grid

NAME = "diffrhythm"
TRANSFORMER_FOLDER = "transformer"
NEGATIVE_STYLE_FILE = "negative_style.safetensors"


class DiffRhythmGenerator(Generator):
    """Songs from a style and lyrics (registered as ``diffrhythm``).

    Guidance is DiffRhythm's own: ``cond + guidance_scale * (cond - uncond)``, diffusers' ``guidance_scale`` minus 1.
    The unconditional branch has no lyrics and the model's constant negative style. A song without lyrics is
    instrumental. Settings of its own in ``request.options``: see ``generators.diffrhythm.request.OPTIONS``.

    Parameters
    ----------
    transformer
        The denoiser.
    codec
        Any codec with as many latent channels.
    name
        What becomes ``id``.
    negative_style
        Style of the unconditional branch ``[K]``; None = every request with guidance names one.
    style_source
        Where the style of the conditional branch comes from.
    style_encoder
        What makes it from prompts and recordings; None = every request names a file. It is closed before sampling.
    remarks
        How the weights were taken; noted with every result.
    licences
        Repository -> licence of the weights, for the record.
    """

    denoiser: DiffRhythmTransformer

    def __init__(
        self,
        transformer: DiffRhythmTransformer,
        codec: Codec,
        *,
        name: str = NAME,
        negative_style: Tensor | None = None,
        style_source: StyleSource = "embedding",
        style_encoder: StyleEncoder | None = None,
        remarks: Sequence[str] = (),
        licences: Mapping[str, str] | None = None,
    ) -> None:
        if transformer.config["mel_dim"] != codec.latent_channels:
            raise ValueError(
                f"the network makes {transformer.config['mel_dim']} latent channels, codec {codec.id!r} "
                f"reads {codec.latent_channels}; give parts that fit"
            )
        if style_source not in ("embedding", "prompt-hash"):
            raise ValueError(f"style_source is {style_source!r}; give 'embedding' or 'prompt-hash'")
        self.id = name
        self.denoiser = transformer.eval().requires_grad_(False)
        self.codec = codec
        self.negative_style = negative_style
        self.style_source = style_source
        self.style_encoder = style_encoder
        self.remarks = tuple(remarks)
        self.licences = dict(licences or {})

    @classmethod
    def random(cls, config: Mapping[str, Any], codec: Codec, seed: int) -> Self:
        """Build a network of any size with random weights, to try things on; what it makes is noise.

        ``config`` holds constructor values of ``DiffRhythmTransformer``; latent channels are the codec's. Weights that
        start at zero are drawn too, so that every part acts. The style is drawn from the hash of the prompt.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = DiffRhythmTransformer(**{**config, "mel_dim": codec.latent_channels})
            for parameter in transformer.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        return cls(
            transformer,
            codec,
            negative_style=hashed_vector("negative", transformer.config["cond_dim"]),
            style_source="prompt-hash",
        )

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        attention: AttentionKind | None = None,
        max_frames: int | None = None,
        vae: str | Path | None = None,
        style_python: str | Path | None = None,
    ) -> Self:
        """Load a folder of published files, or one that ``save_pretrained`` wrote; there are no default weights.

        ``attention``, ``max_frames`` and ``vae`` are about published files, see ``load_original``; ``style_python`` is
        the interpreter that runs MuQ-MuLan, see ``MuqStyle``. Raises ``CheckpointError``.
        """
        if path is None:
            raise CheckpointError(
                "no DiffRhythm weights come with this package; fetch them with 'harness models fetch', or give a "
                "folder that holds them"
            )
        directory, encoder = Path(path), MuqStyle(python=style_python)
        try:
            if (directory / folder.GENERATOR_FILE).is_file():
                if (attention, max_frames, vae) != (None, None, None):
                    raise CheckpointError(f"{directory} states its own attention, max_frames and vae; leave them out")
                return cls._from_own_folder(directory, device, dtype, encoder)
            original = load_original(
                directory, device=device, dtype=dtype, attention=attention, max_frames=max_frames, vae=vae
            )
            return cls(
                original.transformer,
                original.codec,
                name=str(path),
                negative_style=original.negative_style,
                style_encoder=encoder,
                remarks=original.remarks,
                licences=original.licences,
            )
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{directory}: {error}") from None

    @classmethod
    def _from_own_folder(cls, directory: Path, device: str, dtype: torch.dtype, encoder: StyleEncoder) -> Self:
        """Load what ``save_pretrained`` wrote."""
        config = folder.read_own_config(directory, NAME)
        transformer = load_transformer(directory / TRANSFORMER_FOLDER, dtype=dtype)
        transformer.to(device)  # type: ignore[arg-type]
        negative, size = directory / NEGATIVE_STYLE_FILE, transformer.config["cond_dim"]
        return cls(
            transformer,
            load_codec(directory, config.get("codec"), device),
            name=str(directory),
            negative_style=read_vector(negative, NEGATIVE_STYLE, size) if negative.is_file() else None,
            style_source=config.get("style_source", "embedding"),
            style_encoder=encoder,
            licences=config.get("licences"),
        )

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``generator.json``, the network in diffusers' layout, the negative style, and the codec.

        A registered codec is only named. Raises ``ValueError`` for one that is neither that nor a ``DiffRhythmVae``.
        """
        codec = save_codec(self.codec, Path(directory))
        settings = {"codec": codec, "style_source": self.style_source, "licences": self.licences}
        folder.write_config(directory, NAME, settings)
        self.denoiser.save_pretrained(Path(directory) / TRANSFORMER_FOLDER)
        if self.negative_style is not None:
            save_file({NEGATIVE_STYLE: self.negative_style}, Path(directory) / NEGATIVE_STYLE_FILE)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over the network's weights and the negative style; the codec has its own."""
        extra = {} if self.negative_style is None else {"negative_style": self.negative_style}
        return tensors_sha256({**self.denoiser.state_dict(), **extra})

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """Fill every default in and check every value, files of style vectors included."""
        lengths = self._lengths
        rules = RequestRules(
            duration_s=lengths.longest_s,
            num_inference_steps=31,
            guidance_scale=4.0,
            min_duration_s=lengths.shortest_s,
            max_duration_s=lengths.longest_s,
            lyrics=True,
            options=OPTIONS,
        )
        request = resolve_request(request, rules)
        frames = lengths.frames(settled(request.duration_s))
        check_options(
            request.options,
            self._placement(request),
            frames=frames,
            num_embeds=self.denoiser.config["text_num_embeds"],
            steps=settled(request.num_inference_steps),
        )
        if edit_ranges(request.options, frames=frames, frame_rate_hz=self.codec.frame_rate_hz) is not None:
            check_recording(request.options["edit"], self.codec, frames)
        self._style(request)
        if self._guidance(request):
            self._negative_style(request)
        return request

    def plan(self, request: GenerationRequest) -> SamplingPlan:
        """Work out times, shape and branches of a request."""
        request = self.resolve(request)
        guidance = self._guidance(request)
        frames = self._lengths.frames(settled(request.duration_s))
        return SamplingPlan(
            times=time_grid(settled(request.num_inference_steps), request.options["sway"]),
            frames=frames,
            channels=self.codec.latent_channels,
            branches=("cond", "uncond") if guidance else ("cond",),
            sampler={
                "solver": "euler",
                "guidance": "cond + guidance_scale * (cond - uncond)",
                "guidance_scale": guidance,
                "sway": request.options["sway"],
                "edit": request.options["edit"],
                "regenerate": edit_ranges(request.options, frames=frames, frame_rate_hz=self.codec.frame_rate_hz),
                "attention": self.denoiser.config["attention"],
                "style_source": self.style_source,
                "licences": self.licences,
            },
        )

    def flops(self, request: GenerationRequest) -> float:
        """Count the floating-point operations of all network calls for a request."""
        plan = self.plan(request)
        return (len(plan.times) - 1) * len(plan.branches) * call_flops(self.denoiser.config, plan.frames)

    def rehearse(self, frames: int) -> Mapping[str, Tensor]:
        """Foresee what every module returns in a call, see ``Generator.rehearse``."""
        return outputs(self.denoiser, frames)

    def generate_batch(self, requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        """Generate requests that share one plan; hooks see the whole batch."""
        resolved, plan = resolve_batch(self, requests)
        guidance = plan.sampler["guidance_scale"]
        styles = torch.stack([self._style(request) for request in resolved])
        if self.style_encoder is not None:
            self.style_encoder.close()
        placements = [self._placement(request) for request in resolved]
        edit, ranges = plan.sampler["edit"], plan.sampler["regenerate"]
        silence = torch.zeros(1, plan.frames, plan.channels)
        trajectory, edited = sample(
            self.denoiser,
            noise=starting_noise([request.seed for request in resolved], plan.frames, plan.channels),
            cond=silence if edit is None else encode_recording(edit, self.codec, plan.frames),
            text=torch.stack([token_row(*pair, plan.frames) for pair in zip(resolved, placements, strict=True)]),
            style=styles,
            negative_style=torch.stack([self._negative_style(r) for r in resolved]) if guidance else styles,
            start_time=torch.zeros(1),
            duration=torch.tensor([self._lengths.condition(plan.frames)]),
            num_time_points=len(plan.times),
            guidance=guidance,
            sway=plan.sampler["sway"],
            regenerate=ranges,
            hooks=hooks,
        )
        with torch.no_grad():
            audio = self.codec.decode(edited)
        return [
            Generation(
                clip.float().cpu().numpy(),
                self.codec.sample_rate_hz,
                final.cpu(),
                request,
                self._notes(plan, placement),
            )
            for clip, final, request, placement in zip(audio, trajectory[-1], resolved, placements, strict=True)
        ]

    @property
    def _lengths(self) -> SongLengths:
        config = self.denoiser.config
        return SongLengths(config["max_frames"], self.codec.frame_rate_hz, config["duration_embedding"])

    def _placement(self, request: GenerationRequest) -> Placement | None:
        """Lyrics of a resolved request on its frames."""
        return place_lyrics(request, self._lengths, causal=self.denoiser.config["attention"] == "causal")

    def _guidance(self, request: GenerationRequest) -> float:
        """Return the guidance scale, 0 where it is too small to run the second branch."""
        scale = settled(request.guidance_scale)
        return scale if scale >= MIN_GUIDANCE else 0.0

    def _style(self, request: GenerationRequest) -> Tensor:
        """Style of the conditional branch ``[K]``."""
        return style_of(request, self.denoiser.config["cond_dim"], self.style_source, self.style_encoder)

    def _negative_style(self, request: GenerationRequest) -> Tensor:
        """Style of the unconditional branch ``[K]``."""
        return negative_style_of(request, self.denoiser.config["cond_dim"], self.negative_style)

    def _notes(self, plan: SamplingPlan, placement: Placement | None) -> tuple[str, ...]:
        config, notes = self.denoiser.config, list(self.remarks)
        if placement is not None:
            notes += [f"lyrics: {remark}" for remark in placement.remarks]
        if plan.sampler["edit"] is not None:
            anew = set[int]().union(*(range(*ends) for ends in plan.sampler["regenerate"]))
            notes.append(
                f"{len(anew) / self.codec.frame_rate_hz:.1f} s were made anew; the rest is the recording as the codec "
                "keeps it, at a peak of -6 dBFS, put back after the last step: the recorded states are the model's own"
            )
        if self.style_source == "prompt-hash":
            notes.append("random weights: the style was drawn from the prompt's hash and means nothing")
        if self.codec.id == OWN_CODEC and plan.frames > WINDOW_FRAMES:
            notes.append(
                f"decoded in {len(windows(plan.frames))} windows of {WINDOW_FRAMES} frames, as the original does where "
                "memory is short; the whole song at once is the same up to rounding"
            )
        if plan.frames != config["max_frames"] and not config["duration_embedding"]:
            notes.append(
                f"this model knows songs of {config['max_frames']} frames; {plan.frames} are not what it knows"
            )
        return tuple(notes)
