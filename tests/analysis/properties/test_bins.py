import numpy as np
import pytest

from analysis.properties.bins import Bins


def test_equal_width_bins_have_one_width_and_ignore_outliers() -> None:
    values = np.append(np.linspace(0, 10, 10_001), [1e6, -1e6])
    bins = Bins.equal_width(values, 20)
    np.testing.assert_allclose(np.diff(bins.edges), 0.495, atol=1e-3)
    np.testing.assert_array_equal(bins.index([-1e6, 1e6]), [0, 19])


def test_quantile_bins_hold_equal_shares() -> None:
    values = np.random.default_rng(0).exponential(size=10_000)
    counts = np.bincount(Bins.quantile(values, 8).index(values))
    np.testing.assert_allclose(counts, 1250, atol=2)


def test_outside_values_have_no_class_unless_open_ended() -> None:
    bins = Bins((0.0, 1.0, 2.0), open_ended=False)
    np.testing.assert_array_equal(bins.index([-0.1, 0, 0.99, 1, 2, np.nan]), [-1, 0, 0, 1, -1, -1])
    np.testing.assert_array_equal(Bins(bins.edges).index([-0.1, 2.0, np.nan]), [0, 1, -1])


def test_index_keeps_the_shape() -> None:
    assert Bins((0.0, 1.0)).index(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("fit", [Bins.equal_width, Bins.quantile])
@pytest.mark.parametrize(
    ("values", "message"), [([], "no valid values"), ([np.nan], "no valid values"), ([3.0] * 9, "cannot fit 4")]
)
def test_values_that_cannot_be_divided_are_refused(fit, values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(values, 4)


@pytest.mark.parametrize("edges", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, float("nan"))])
def test_bad_edges_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        Bins(edges)
