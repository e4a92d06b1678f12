"""What every denoising step already knows of the final sound: latents -> SAE features -> probes -> emergence.

The usual way: ``shipped_artifacts`` or ``read_artifacts`` for a trace, ``decode`` it, ``measure`` the emergence.
"""
