"""Reports: one self-contained HTML page that shows, and lets you hear, how a sound came into being."""
