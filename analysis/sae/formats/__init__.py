"""SAEs on disk. Every module here has ``save(sae, directory)`` and ``load(directory, source=None)``. No torch here."""

FORMATS: dict[str, str] = {
    "saelens": "analysis.sae.formats.saelens",
    "dictionary_learning": "analysis.sae.formats.dictionary_learning",
    "sparsify": "analysis.sae.formats.sparsify",
}
"""Folder formats, ``"name": "module"``. ``saelens`` is the native one and the only one that keeps everything."""
