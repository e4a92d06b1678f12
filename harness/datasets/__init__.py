"""Data sets: vectors (latents, states, hidden states) with the properties of the audio they belong to, per frame.

``docs/dataset-format.md`` is the normative description of the file. A build collects one small file per unit of input
(``shards``), several processes at a time, and puts them together at the end (``assemble``).
"""
