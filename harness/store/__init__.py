"""Trace files: ``docs/trace-format.md`` is normative, these modules read and write it."""
