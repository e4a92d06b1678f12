"""The audio pipelines of diffusers, all through one adapter. Importing this package is light: no torch."""
