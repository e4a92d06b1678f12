"""The sections of a report, in reading order. A new one is one file with a ``panel`` function and one line here."""

PANELS: dict[str, str] = {
    "overview": "harness.report.panels.overview:panel",
    "emergence": "harness.report.panels.emergence:panel",
    "trajectory": "harness.report.panels.trajectory:panel",
    "provenance": "harness.report.panels.provenance:panel",
}
"""Name -> ``"module:function"``; each is called with the ``Context`` and returns a ``Panel``."""
