"""Data whose sparse structure is known: few random unit atoms per row, off centre and off scale."""

import numpy as np


def planted(
    rows: int, d_in: int = 24, atoms: int = 40, active: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return data ``[rows, d_in]`` and the atoms ``[atoms, d_in]`` it is made of."""
    rng = np.random.default_rng(seed)
    dictionary = rng.standard_normal((atoms, d_in))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    chosen = rng.permuted(np.tile(np.arange(atoms), (rows, 1)), axis=1)[:, :active]
    strength = 1 + rng.exponential(1.0, (rows, active))
    clean = np.einsum("nk,nkd->nd", strength, dictionary[chosen])
    data = 0.25 * (clean + 0.02 * rng.standard_normal((rows, d_in))) + rng.standard_normal(d_in)
    return data.astype(np.float32), dictionary
