"""``mini``: the small generator that ships. DiffRhythm's network class, a spectral codec, prompts in plain words."""
