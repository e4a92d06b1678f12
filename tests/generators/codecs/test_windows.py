from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from generators.codecs.windows import map_windows, stream_windows

FRAMES, SIZE, OVERLAP = 101, 20, 6


def smooth(x: Tensor) -> Tensor:
    """Reaches three frames either way, which is what half an overlap covers."""
    return torch.nn.functional.avg_pool1d(x, 7, stride=1, padding=3)


@pytest.mark.parametrize("length", [1, 7, 20, 33, 101])
def test_parts_of_any_length_give_what_the_whole_gives(length: int) -> None:
    x = torch.randn(2, 3, FRAMES)
    parts = list(stream_windows(smooth, torch.split(x, length, dim=-1), FRAMES, size=SIZE, overlap=OVERLAP))
    assert torch.equal(torch.cat(parts, dim=-1), map_windows(smooth, x, size=SIZE, overlap=OVERLAP))
    torch.testing.assert_close(torch.cat(parts, dim=-1), smooth(x))


def test_no_part_is_taken_before_it_is_needed() -> None:
    taken = 0

    def parts() -> Iterator[Tensor]:
        nonlocal taken
        for _ in range(FRAMES):
            taken += 1
            yield torch.zeros(1, 1, 1)

    kept = 0
    for part in stream_windows(smooth, parts(), FRAMES, size=SIZE, overlap=OVERLAP):
        kept += part.shape[-1]
        assert taken - kept < SIZE
    assert kept == taken == FRAMES
