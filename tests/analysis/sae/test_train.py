import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from analysis.sae.base import build
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.learner import Learner, Record, TrainConfig, remove_parallel_gradient
from analysis.sae.metrics import evaluate
from analysis.sae.train import Trainer
from tests.analysis.sae.planted import planted

GRID = [
    SAEConfig("topk", 24, 64, k=3),
    SAEConfig("topk", 24, 128, k=6, seed=1),
    SAEConfig("batch_topk", 24, 64, k=3),
    SAEConfig("standard", 24, 64, sparsity=0.3),
    SAEConfig("jumprelu", 24, 64, k=3),
    SAEConfig("random", 24, 64, k=3),
]
SHORT = TrainConfig(steps=30, batch_size=128, dead_after=256, record_every=5)


def weights(saes: list) -> list[dict[str, torch.Tensor]]:
    return [sae.state_dict() for sae in saes]


def assert_same(first: list, second: list) -> None:
    assert len(first) == len(second)
    for one, other in zip(weights(first), weights(second), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_resumed_training_ends_bit_for_bit_the_same(tmp_path: Path, precision: str) -> None:
    data, _ = planted(1000)
    plan = TrainConfig(**(asdict(SHORT) | {"precision": precision}))
    whole_records: list[Record] = []
    whole = Trainer(data, GRID, plan).run(whole_records.append)

    interrupted = Trainer(data, GRID, plan)
    for _ in range(13):
        interrupted.step()
    interrupted.save(tmp_path / "state.safetensors")
    resumed_records: list[Record] = []
    resumed = Trainer(data, GRID, plan).run(resumed_records.append, checkpoint=tmp_path / "state.safetensors")

    assert_same(whole, resumed)
    assert resumed_records[-len(GRID) :] == whole_records[-len(GRID) :]
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_finished_training_resumes_to_its_end(tmp_path: Path) -> None:
    data, _ = planted(500)
    checkpoint = tmp_path / "state.safetensors"
    first = Trainer(data, GRID[:1], SHORT).run(checkpoint=checkpoint)
    records: list[Record] = []
    assert_same(first, Trainer(data, GRID[:1], SHORT).run(records.append, checkpoint=checkpoint))
    assert records == []


@pytest.mark.parametrize(
    ("change", "message"),
    [("config", "written with config"), ("saes", "written with saes"), ("data", "written with data")],
)
def test_checkpoints_of_other_trainings_are_refused(tmp_path: Path, change: str, message: str) -> None:
    data, _ = planted(500)
    path = tmp_path / "state.safetensors"
    Trainer(data, GRID[:1], SHORT).save(path)
    other = Trainer(
        data + (change == "data"),
        GRID[1:2] if change == "saes" else GRID[:1],
        TrainConfig(steps=31) if change == "config" else SHORT,
    )
    with pytest.raises(SAEError, match=message):
        other.resume(path)


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    trainer = Trainer(planted(300)[0], GRID[:1], SHORT)
    (tmp_path / "text").write_text("nothing")
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    for name, message in (("text", "cannot be read"), ("other", "not a checkpoint"), ("missing", "cannot be read")):
        with pytest.raises(SAEError, match=message):
            trainer.resume(tmp_path / name)


def test_a_grid_trains_each_sae_as_if_alone() -> None:
    data, _ = planted(1000)
    together = Trainer(data, GRID, SHORT).run()
    alone = [Trainer(data, [config], SHORT).run()[0] for config in GRID]
    assert_same(together, alone)


def mean_max_cosine(sae: torch.nn.Module, atoms: np.ndarray) -> float:
    rows = sae.W_dec.detach().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float((atoms @ rows.T).max(1).mean())


RECOVERING = [
    SAEConfig("topk", 24, 64, k=3),
    SAEConfig("batch_topk", 24, 64, k=3),
    SAEConfig("matryoshka", 24, 64, k=3, prefixes=(40, 64)),
    SAEConfig("jumprelu", 24, 64, k=3),
    SAEConfig("standard", 24, 64, sparsity=0.3),
    SAEConfig("random", 24, 64, k=3),
]


def test_a_planted_dictionary_is_found_and_the_random_control_does_not_find_it() -> None:
    rows, atoms = planted(9000)
    data, held_out = rows[:8000], rows[8000:]
    *trained, control = Trainer(data, RECOVERING, TrainConfig(steps=500, batch_size=256, learning_rate=1e-2)).run()
    cosines = {sae.config.architecture: mean_max_cosine(sae, atoms) for sae in trained}
    assert min(cosines.values()) > 0.9, cosines
    assert mean_max_cosine(control, atoms) < 0.8
    figures = {sae.config.architecture: evaluate(sae, held_out) for sae in [*trained, control]}
    assert all(figures[name].fvu < 0.5 * figures["random"].fvu for name in cosines), figures
    for name in ("topk", "random"):
        assert figures[name].l0 == pytest.approx(3, abs=0.05)
    for name in ("batch_topk", "matryoshka", "jumprelu"):
        assert figures[name].l0 == pytest.approx(3, rel=0.25)


def test_topk_codes_have_exactly_k_active_features() -> None:
    data, _ = planted(2000)
    sae = Trainer(data, [SAEConfig("topk", 24, 256, k=5)], SHORT).run()[0]
    code = sae.encode_sparse(torch.from_numpy(data))
    assert code.values.shape == (2000, 5)
    assert (code.values > 0).sum() == 2000 * 5
    assert ((sae.encode(torch.from_numpy(data)) > 0).sum(1) == 5).all()


def test_the_gradient_along_a_row_is_removed() -> None:
    rows = torch.nn.Parameter(torch.nn.functional.normalize(torch.randn(7, 5, dtype=torch.float64)))
    rows.grad = torch.randn(7, 5, dtype=torch.float64)
    across = rows.grad - (rows.grad * rows).sum(1, keepdim=True) * rows.detach()
    remove_parallel_gradient(rows)
    torch.testing.assert_close(rows.grad, across)
    assert (rows.grad * rows).sum(1).abs().max() < 1e-12


@pytest.mark.parametrize(("architecture", "extra"), [("topk", {"k": 3}), ("standard", {"sparsity": 0.1})])
def test_dead_features_come_back(architecture: str, extra: dict) -> None:
    data, _ = planted(2000)
    x = torch.from_numpy((data - data.mean(0)) / data.std())
    plan = TrainConfig(steps=400, batch_size=250, learning_rate=1e-2, decay=0.1)

    config = SAEConfig(architecture, 24, 40, **extra)  # as many features as there are atoms

    def dead_after_training(revival: str) -> float:
        sae = build(config)
        sae.revival = revival
        with torch.no_grad():
            sae.b_enc[:20] = -1.0
        learner = Learner(sae, plan, dead_after=1000)
        for step in range(400):
            learner.step(x[(step % 8) * 250 :][:250], step)
        return learner.record(0, 400).dead

    assert dead_after_training("none") >= 0.4
    assert dead_after_training(build(config).revival) <= 0.2


def test_records_tell_what_happened() -> None:
    data, _ = planted(600)
    records: list[Record] = []
    Trainer(data, GRID[:2], TrainConfig(steps=25, batch_size=10_000, record_every=10)).run(records.append)
    assert [(record.sae, record.step) for record in records] == [(i, s) for s in (10, 20, 25) for i in (0, 1)]
    assert records[0].samples == 6000
    assert records[0].l0 == pytest.approx(3, abs=0.1)
    assert 0 < records[0].fvu < 2
    assert 0 <= records[0].dead < 0.2
    assert json.loads(json.dumps(records[0].to_json()))["sae"] == 0


def test_batch_codes_have_k_features_on_average_in_training() -> None:
    data, _ = planted(2000)
    records: list[Record] = []
    Trainer(data, [GRID[2]], SHORT).run(records.append)
    assert all(record.l0 == pytest.approx(3) for record in records)


def test_bad_data_are_refused_before_anything_is_trained() -> None:
    data, _ = planted(300)
    with pytest.raises(SAEError, match="the data have 24 channels but the SAE has d_in 25"):
        Trainer(data, [SAEConfig("topk", 25, 64, k=3)], SHORT)
    data[17, 3] = np.inf
    with pytest.raises(SAEError, match="row 17 of the data"):
        Trainer(data, GRID, SHORT)


def test_divergence_is_reported() -> None:
    data, _ = planted(300)
    with pytest.raises(SAEError, match="standard SAE of 64 features diverged at step"):
        Trainer(data, GRID[3:4], TrainConfig(steps=30, learning_rate=1e30, record_every=5)).run()


@pytest.mark.gpu
def test_a_gpu_trains_as_well_as_the_processor() -> None:
    data, _ = planted(4000)
    plan = TrainConfig(steps=200, batch_size=512, record_every=200)
    last: dict[str, list[Record]] = {"cpu": [], "cuda": []}
    for device, records in last.items():
        Trainer(data, GRID, plan, device=device).run(records.append)
    for cpu, cuda in zip(last["cpu"], last["cuda"], strict=True):
        assert cuda.fvu == pytest.approx(cpu.fvu, rel=0.05)
