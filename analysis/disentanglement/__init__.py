"""Whether each factor of the audio is held by few numbers of a representation, and each number is about one factor.

``measure`` gives completeness, modularity, informativeness and the mutual-information gap of one representation. To
compare two of different width, give both the same ``base``.
"""

from analysis.disentanglement.measure import Disentanglement, measure

__all__ = ["Disentanglement", "measure"]
