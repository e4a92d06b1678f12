"""Every audio pipeline of diffusers at tiny size: real classes, random weights, nothing downloaded."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from generators.diffusers_audio.generator import DiffusersGenerator

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "<mask>", "a", "soft", "loud", "drone", "noise", "of", "rain"]


@contextlib.contextmanager
def drawn(seed: int = 0) -> Iterator[None]:
    """Draw weights from a seed of their own; old weight norm, which Oobleck uses, warns."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        yield


def finish(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """Redraw what starts at zero, so that every part acts."""
    for component in pipeline.components.values():
        if isinstance(component, nn.Module):
            component.eval().requires_grad_(False)
            for parameter in component.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=0.2)
    return pipeline


def word_tokenizer() -> Any:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=16
    )


def oobleck(sampling_rate: int, ratios: list[int], channels: int = 2) -> Any:
    return diffusers.AutoencoderOobleck(
        encoder_hidden_size=16,
        downsampling_ratios=ratios,
        channel_multiples=[1, 2],
        decoder_channels=4,
        decoder_input_channels=8,
        audio_channels=channels,
        sampling_rate=sampling_rate,
    )


def t5(width: int = 32) -> Any:
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(WORDS), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0
        )
    )


def stable_audio(scheduler: Any = None) -> DiffusionPipeline:
    with drawn():
        return finish(
            diffusers.StableAudioPipeline(
                vae=oobleck(800, [2, 4]),
                text_encoder=t5(),
                projection_model=diffusers.StableAudioProjectionModel(
                    text_encoder_dim=32, conditioning_dim=8, min_value=0, max_value=32
                ),
                tokenizer=word_tokenizer(),
                transformer=diffusers.StableAudioDiTModel(
                    sample_size=60,
                    in_channels=8,
                    out_channels=8,
                    num_layers=2,
                    attention_head_dim=16,
                    num_attention_heads=2,
                    num_key_value_attention_heads=2,
                    cross_attention_dim=16,
                    time_proj_dim=8,
                    global_states_input_dim=16,
                    cross_attention_input_dim=8,
                ),
                scheduler=scheduler or diffusers.EDMDPMSolverMultistepScheduler(**EDM, sigma_min=0.3, sigma_max=500),
            )
        )


EDM: dict[str, Any] = {"prediction_type": "v_prediction", "sigma_data": 1.0, "sigma_schedule": "exponential"}


def stable_audio_sde() -> DiffusionPipeline:
    return stable_audio(diffusers.CosineDPMSolverMultistepScheduler(**EDM, sigma_min=0.3, sigma_max=500))


def stable_audio_3(*, stochastic: bool = False) -> DiffusionPipeline:
    with drawn():
        module = transformers.T5GemmaModuleConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            layer_types=["full_attention"],
        )
        config = transformers.T5GemmaConfig(encoder=module, decoder=module, is_encoder_decoder=False)
        return finish(
            diffusers.StableAudio3Pipeline(
                vae=diffusers.AutoencoderSAME(
                    patch_size=4,
                    encoder_channels=8,
                    encoder_c_mults=(4,),
                    encoder_strides=(4,),
                    encoder_transformer_depths=(1,),
                    latent_dim=8,
                    dim_heads=8,
                    sampling_rate=4000,
                ),
                text_encoder=transformers.T5GemmaEncoderModel(config),
                tokenizer=word_tokenizer(),
                duration_embedder=diffusers.StableAudio3DurationEmbedder(output_dim=32, fourier_dim=8),
                transformer=diffusers.StableAudio3DiTModel(
                    io_channels=8,
                    embed_dim=32,
                    depth=2,
                    num_heads=2,
                    cond_token_dim=32,
                    global_cond_dim=32,
                    local_add_cond_dim=9,
                    timestep_features_dim=16,
                    num_memory_tokens=4,
                ),
                scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                    num_train_timesteps=1, shift=1.0, stochastic_sampling=stochastic
                ),
            )
        )


def ace_step(*, turbo: bool = False) -> DiffusionPipeline:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "sliding_window": 8,
    }
    with drawn():
        return finish(
            diffusers.AceStepPipeline(
                vae=oobleck(800, [20, 20]),
                text_encoder=transformers.Qwen3Model(
                    transformers.Qwen3Config(
                        vocab_size=len(WORDS),
                        hidden_size=24,
                        intermediate_size=16,
                        num_hidden_layers=1,
                        num_attention_heads=2,
                        num_key_value_heads=1,
                        head_dim=8,
                    )
                ),
                tokenizer=word_tokenizer(),
                transformer=diffusers.AceStepTransformer1DModel(
                    **sizes,
                    num_hidden_layers=2,
                    in_channels=24,
                    audio_acoustic_hidden_dim=8,
                    is_turbo=turbo,
                    encoder_hidden_size=32,
                ),
                condition_encoder=diffusers.pipelines.ace_step.AceStepConditionEncoder(
                    **sizes,
                    text_hidden_dim=24,
                    timbre_hidden_dim=8,
                    num_lyric_encoder_hidden_layers=1,
                    num_timbre_encoder_hidden_layers=1,
                ),
                scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
            )
        )


def longcat() -> DiffusionPipeline:
    with drawn():
        return finish(
            diffusers.LongCatAudioDiTPipeline(
                vae=diffusers.LongCatAudioDiTVae(
                    in_channels=1,
                    channels=8,
                    c_mults=[1, 2],
                    strides=[2, 2],
                    latent_dim=8,
                    encoder_latent_dim=16,
                    downsampling_ratio=4,
                    sample_rate=2400,
                ),
                text_encoder=transformers.UMT5EncoderModel(
                    transformers.UMT5Config(
                        vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0
                    )
                ),
                tokenizer=word_tokenizer(),
                transformer=diffusers.LongCatAudioDiTTransformer(
                    dit_dim=32, dit_depth=2, dit_heads=2, dit_text_dim=16, latent_dim=8
                ),
                scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0, invert_sigmas=True),
            )
        )


def roberta_tokenizer() -> Any:
    return transformers.RobertaTokenizerFast(
        vocab={word: i for i, word in enumerate(WORDS)}, merges=[], model_max_length=16
    )


def mel_vae() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
    )


def vocoder() -> Any:
    return transformers.SpeechT5HifiGan(
        transformers.SpeechT5HifiGanConfig(
            model_in_dim=8,
            sampling_rate=800,
            upsample_initial_channel=16,
            upsample_rates=[4, 4],
            upsample_kernel_sizes=[8, 8],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            normalize_before=False,
        )
    )


DDIM: dict[str, Any] = {
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
}


def clap_text() -> Any:
    return transformers.ClapTextConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        projection_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        max_position_embeddings=20,
    )


def clap() -> Any:
    audio = transformers.ClapAudioConfig(
        spec_size=8,
        window_size=4,
        num_mel_bins=8,
        depths=[1, 1],
        num_attention_heads=[1, 1],
        num_hidden_layers=2,
        hidden_size=16,
        patch_embeds_hidden_size=4,
        patch_size=2,
        patch_stride=2,
        projection_dim=16,
        num_classes=4,
        patch_embed_input_channels=4,
    )
    return transformers.ClapModel(
        transformers.ClapConfig(text_config=clap_text().to_dict(), audio_config=audio.to_dict(), projection_dim=16)
    )


def audioldm2(scheduler: Any = None) -> DiffusionPipeline:
    with drawn():
        language_model = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=16, n_head=2, n_layer=1, n_ctx=99, n_positions=99, vocab_size=99)
        )
        language_model.config.max_new_tokens = 1
        return finish(
            diffusers.AudioLDM2Pipeline(
                vae=mel_vae(),
                text_encoder=clap(),
                text_encoder_2=t5(),
                projection_model=diffusers.AudioLDM2ProjectionModel(
                    text_encoder_dim=16, text_encoder_1_dim=32, langauge_model_dim=16
                ),
                language_model=language_model,
                tokenizer=roberta_tokenizer(),
                tokenizer_2=transformers.T5TokenizerFast(
                    vocab=[(word, -float(i)) for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS[5:]])],
                    extra_ids=0,
                    model_max_length=16,
                ),
                feature_extractor=transformers.ClapFeatureExtractor(),
                unet=diffusers.AudioLDM2UNet2DConditionModel(
                    block_out_channels=(8, 16),
                    layers_per_block=1,
                    norm_num_groups=8,
                    sample_size=8,
                    in_channels=4,
                    out_channels=4,
                    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                    cross_attention_dim=[[None, 16, 32], [None, 16, 32]],
                ),
                scheduler=scheduler or diffusers.DDIMScheduler(**DDIM),
                vocoder=vocoder(),
            )
        )


def audioldm() -> DiffusionPipeline:
    return _ldm(diffusers.AudioLDMPipeline, transformers.ClapTextModelWithProjection(clap_text()))


def musicldm() -> DiffusionPipeline:
    return _ldm(diffusers.MusicLDMPipeline, clap(), feature_extractor=transformers.ClapFeatureExtractor())


def _ldm(kind: type[DiffusionPipeline], text_encoder: Any, **more: Any) -> DiffusionPipeline:
    with drawn():
        return finish(
            kind(
                vae=mel_vae(),
                text_encoder=text_encoder,
                tokenizer=roberta_tokenizer(),
                unet=diffusers.UNet2DConditionModel(
                    block_out_channels=(8, 16),
                    layers_per_block=1,
                    norm_num_groups=8,
                    sample_size=8,
                    in_channels=4,
                    out_channels=4,
                    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                    cross_attention_dim=16,
                    class_embed_type="simple_projection",
                    projection_class_embeddings_input_dim=16,
                    class_embeddings_concat=True,
                ),
                scheduler=diffusers.DDIMScheduler(**DDIM),
                vocoder=vocoder(),
                **more,
            )
        )


TINY: dict[str, Callable[[], DiffusionPipeline]] = {
    "stable-audio": stable_audio,
    "stable-audio-sde": stable_audio_sde,
    "stable-audio-3": stable_audio_3,
    "stable-audio-3-distilled": lambda: stable_audio_3(stochastic=True),
    "ace-step": ace_step,
    "ace-step-turbo": lambda: ace_step(turbo=True),
    "longcat": longcat,
    "audioldm2": audioldm2,
    "audioldm": audioldm,
    "musicldm": musicldm,
}


@functools.cache
def generator(name: str) -> DiffusersGenerator:
    """A pipeline of ``TINY`` as a generator, built once in a process."""
    return DiffusersGenerator(TINY[name](), name)
