"""The sections of a report, in reading order. A new one is one file with a ``panel`` function and one line here."""

PANELS: dict[str, str] = {
    "overview": "harness.report.panels.overview:panel",
    "emergence": "harness.report.panels.emergence:panel",
    "decoded": "harness.report.panels.decoded:panel",
    "trajectory": "harness.report.panels.trajectory:panel",
    "provenance": "harness.report.panels.provenance:panel",
}
"""Name -> ``"module:function"``; each gets the ``Context`` and returns a ``Panel``, or None to be left out."""
