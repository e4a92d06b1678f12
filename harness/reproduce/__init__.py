"""Published studies as one command each: the same measurements, with today's numbers beside the published ones.

One file a study (``paek2025``, ``mariotte2025``), which says what is measured and in which order; what they share
stands beside them. A study leaves one folder: data sets, SAEs, ``stages/`` with the figures of every finished step,
and at the end ``report.html`` and ``table.csv``. The same command continues an interrupted study.
"""
