"""Codecs: audio <-> latents. Importing this package is light: no torch."""

CODECS: dict[str, str] = {
    "closed-form": "generators.codecs.closed_form:ClosedFormCodec",
    "mini": "generators.mini.codec:MiniCodec",
}
"""Built-in codecs, ``"name": "module:Class"``; a new one is one file and one line here."""
