"""The sections of a report, in reading order. A new one is one file with a ``panel`` function and one line here."""

PANELS: dict[str, str] = {
    "overview": "harness.report.panels.overview:panel",
    "emergence": "harness.report.panels.emergence:panel",
    "decoded": "harness.report.panels.decoded:panel",
    "trajectory": "harness.report.panels.trajectory:panel",
    "guidance": "harness.report.panels.guidance:panel",
    "features": "harness.report.panels.features:panel",
    "provenance": "harness.report.panels.provenance:panel",
}
"""Name -> ``"module:function"``; each gets the ``Context`` and returns a ``Panel``, or None to be left out."""

PANELS_OF_MANY: dict[str, str] = {
    "together": "harness.report.panels.together:panel",
    "prompts": "harness.report.panels.prompts:panel",
    "runs": "harness.report.panels.runs:panel",
}
"""The sections of a report of several runs; each gets a ``Many``."""
