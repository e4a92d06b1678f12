"""How much each number of a representation matters for each factor: sparse linear regression, scored held out."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.preprocessing import StandardScaler

FloatArray = NDArray[np.float64]

PENALTIES, LEAST_PENALTY, FOLDS, MAX_ITERATIONS = 20, 1e-2, 3, 2000
"""Lasso: penalties tried, the least as a share of the one that leaves nothing, folds of the training rows they are
tried on, most sweeps over the features. Smaller penalties take most of the time, for an R2 the same within 0.005."""


def importance(
    features: FloatArray, factor: FloatArray, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> tuple[FloatArray, float]:
    """Regress one factor ``[N]`` on features ``[N, D]`` over the training rows.

    Returns
    -------
    The absolute weights ``[D]`` on standardised features, and R2 on the test rows (below 0 where the mean of the test
    rows would have been the better guess).
    """
    scaler = StandardScaler().fit(features[train])
    centre, scale = factor[train].mean(), factor[train].std() or 1.0
    model = LassoCV(eps=LEAST_PENALTY, alphas=PENALTIES, precompute=True, cv=FOLDS, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the smallest penalties need not converge to lose
        model.fit(scaler.transform(features[train]), (factor[train] - centre) / scale)
    wanted = (factor[test] - centre) / scale
    missed = np.square(model.predict(scaler.transform(features[test])) - wanted).sum()
    spread = np.square(wanted - wanted.mean()).sum()
    return np.abs(model.coef_), float(1 - missed / spread) if spread > 0 else float("nan")
