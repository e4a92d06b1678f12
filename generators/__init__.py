"""Generators: prompt -> audio, one visible denoising step at a time.

This package knows models, samplers and codecs. It knows nothing of files' layout, sparse autoencoders or the command
line, and imports neither ``harness`` nor ``analysis``. Importing it is light: no torch.
"""

GENERATORS: dict[str, str] = {
    "mini": "generators.mini.generator:MiniGenerator",
    "closed-form": "generators.closed_form:ClosedFormGenerator",
    "diffrhythm": "generators.diffrhythm:DiffRhythmGenerator",
    "diffusers": "generators.diffusers_audio.generator:DiffusersGenerator",
}
"""Built-in generators, ``"name": "module:Class"``; a new one is one file and one line here."""
