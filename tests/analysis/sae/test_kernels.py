import pytest
import torch
from torch import Tensor

from analysis.sae.kernels import (
    Selection,
    Support,
    decode_at,
    encode_at,
    select_batch_top_k,
    select_top_k,
)


def weights(d_in: int = 16, d_sae: int = 512, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    W_enc, b_enc = torch.randn(d_in, d_sae, dtype=dtype), 0.1 * torch.randn(d_sae, dtype=dtype)
    return W_enc.requires_grad_(), b_enc.requires_grad_(), torch.randn(d_sae, d_in, dtype=dtype).requires_grad_()


def dense_top_k(pre: Tensor, k: int) -> Tensor:
    top = pre.topk(k)
    return torch.zeros_like(pre).scatter(1, top.indices, top.values)


@pytest.mark.parametrize(("d_sae", "k"), [(2048, 32), (1434, 32), (1024, 16), (517, 4), (300, 7), (64, 64), (8, 1)])
def test_selection_is_the_exact_top_k(d_sae: int, k: int) -> None:
    W_enc, b_enc, _ = weights(d_sae=d_sae, dtype=torch.float32)
    x = torch.randn(300, 16)
    values, support = select_top_k(x, W_enc, b_enc, k)
    expected = (x @ W_enc + b_enc).topk(k).values
    torch.testing.assert_close(values.reshape(300, k).sort(descending=True).values, expected)
    assert (support.rows == torch.arange(300).repeat_interleave(k)).all()
    assert all(len(set(row.tolist())) == k for row in support.features.reshape(300, k))


def test_selection_when_one_group_holds_all_large_values() -> None:
    # Features 0, 256, 512, ... share a group in the two-stage search.
    b_enc = torch.zeros(2048)
    b_enc[::256] = torch.arange(8.0) + 100
    _, support = select_top_k(torch.randn(5, 4), 0.01 * torch.randn(4, 2048), b_enc, 8)
    assert (support.features.reshape(5, 8).sort(1).values == torch.arange(0, 2048, 256)).all()


def test_selection_among_ties_still_has_k_different_features() -> None:
    _, support = select_top_k(torch.zeros(3, 4), torch.zeros(4, 2048), torch.zeros(2048), 32)
    assert all(len(set(row.tolist())) == 32 for row in support.features.reshape(3, 32))


@pytest.mark.parametrize("bias", [0.0, -9.0, -1e6])
def test_batch_selection_is_the_exact_top_of_the_positive_values(bias: float) -> None:
    W_enc, b_enc, _ = weights(d_sae=256, dtype=torch.float32)
    x = torch.randn(200, 16)
    values, support = select_batch_top_k(x, W_enc, b_enc + bias, 5)
    pre = (x @ W_enc + b_enc + bias).flatten()
    expected = pre[pre > 0].sort(descending=True).values[: 200 * 5]
    torch.testing.assert_close(values.sort(descending=True).values, expected)
    torch.testing.assert_close(pre.reshape(200, 256)[support.rows, support.features], values)
    assert (support.rows.diff() >= 0).all()


def test_gradients_equal_those_of_dense_autograd() -> None:
    W_enc, b_enc, W_dec = weights()
    x = torch.randn(64, 16, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(64, 16, dtype=torch.float64)
    inputs = (x, W_enc, b_enc, W_dec)

    selection = select_top_k(x, W_enc, b_enc, 6)
    sparse = decode_at(encode_at(x, W_enc, b_enc, selection).relu(), W_dec, selection.support)
    dense = dense_top_k(x @ W_enc + b_enc, 6).relu() @ W_dec
    torch.testing.assert_close(sparse, dense)
    for mine, autograd in zip(
        torch.autograd.grad((sparse * upstream).sum(), inputs),
        torch.autograd.grad((dense * upstream).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, autograd, rtol=1e-10, atol=1e-12)


def test_gradients_of_a_ragged_support() -> None:
    # Rows with 2, 0 and 3 entries; features 1 and 4 never occur.
    support = Support(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([3, 0, 0, 2, 3]), n_rows=3, d_sae=5)
    W_enc, b_enc, W_dec = weights(d_in=4, d_sae=5)
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, W_enc: Tensor, b_enc: Tensor, W_dec: Tensor) -> Tensor:
        pre = (x @ W_enc + b_enc)[support.rows, support.features].detach()
        return decode_at(encode_at(x, W_enc, b_enc, Selection(pre, support)), W_dec, support)

    assert torch.autograd.gradcheck(run, (x, W_enc, b_enc, W_dec))


def test_wide_dictionaries_sort_by_feature_too() -> None:
    features = torch.tensor([40_000, 3, 65_535, 3])
    support = Support(torch.tensor([0, 0, 1, 1]), features, n_rows=2, d_sae=65_536)
    assert support.by_feature.tolist() == [1, 3, 0, 2]
    assert support.count_active(torch.tensor([1.0, 0.0, 2.0, 5.0]))[[3, 40_000, 65_535]].tolist() == [1, 1, 1]


def test_bf16_selects_nearly_the_same() -> None:
    W_enc, b_enc, _ = weights(d_sae=2048, dtype=torch.float32)
    x = torch.randn(64, 16)
    exact = select_top_k(x, W_enc, b_enc, 32)
    with torch.autocast("cpu", torch.bfloat16):
        low = select_top_k(x, W_enc, b_enc, 32)
    assert low.values.dtype == torch.float32
    assert not torch.equal(low.values.sort().values, exact.values.sort().values)
    torch.testing.assert_close(low.values.sort().values, exact.values.sort().values, rtol=0.02, atol=0.02)
