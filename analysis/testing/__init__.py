"""Conformance suites for what third parties add to ``analysis``: subclass, set the attribute, let pytest collect it."""

from analysis.testing.properties import FRAME_RATE_HZ, RATE_HZ, PropertyTests, tone
from analysis.testing.sae import SAETests

__all__ = ["FRAME_RATE_HZ", "RATE_HZ", "PropertyTests", "SAETests", "tone"]
