"""Changing recordings: encode, edit the latents through SAE and probes, decode, listen to what that did."""
