from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from generators.base import HookPoint
from harness.errors import InputError
from harness.interventions import KINDS, from_json, registry, to_json
from harness.interventions.ablate import Ablate
from harness.interventions.add import Add
from harness.interventions.base import Intervention, Moment
from harness.interventions.bind import bind
from harness.interventions.call import Call
from harness.interventions.clamp import Clamp
from harness.interventions.patch import Patch
from harness.interventions.random_direction import RandomDirection
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.site import Site
from harness.interventions.until import Until

MOMENT = Moment(HookPoint("x1_hat", 3, 0.5), 1.0)

EXAMPLES = {
    "scale": Scale((1, 2), 0.5),
    "clamp": Clamp(3, 2.0, strength=0.5),
    "ablate": Ablate(4, keep_norm=True),
    "add": Add(property="pitch", value=64.0, mode="paek"),
    "set-property": SetProperty("pitch", 3.0, schedule=Schedule(t=(0.1, 0.5), frames_s=(0.0, 0.1), shape="cosine")),
    "patch": Patch("other.h5", at="x_t", schedule=Schedule(steps=(2, 3))),
    "until": Until(Add(3, strength=0.5), "pitch", 64.0),
    "random-direction": RandomDirection(Scale(1, 2.0, schedule=Schedule(t=(0.2, 0.4))), seed=7),
}


def vectors(sae, n=40):
    return torch.randn(2, n, sae.config.d_in, generator=torch.Generator().manual_seed(0))


def edited(intervention, generator, request_, artifacts, value):
    site = Site(generator, generator.plan(request_), 2, artifacts)
    return intervention.prepare(site)(value, MOMENT)


def test_every_kind_but_call_survives_json():
    assert set(EXAMPLES) == set(KINDS) - {"call"}
    for kind, item in EXAMPLES.items():
        document = json.loads(json.dumps(to_json(item), allow_nan=False))
        assert document["kind"] == kind
        assert from_json(document) == item


def test_a_function_is_kept_by_name_and_not_read_back():
    document = json.loads(json.dumps(to_json(Call(vectors))))
    assert document["function"] == f"{__name__}:vectors"
    with pytest.raises(InputError, match="needs its --script"):
        from_json(document)


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        ({"kind": "scal"}, "did you mean 'scale'"),
        ({"kind": "os:system"}, "unknown intervention"),
        ({}, "unknown intervention"),
        ({"kind": "scale", "features": 1, "faktor": 2}, "did you mean 'factor'"),
        ({"kind": "scale", "features": 1}, "cannot be made of"),
        ({"kind": "scale", "features": 1, "factor": 2.0, "schedule": {"t": [0.0, 2.0]}}, "both 0 to 1"),
    ],
)
def test_bad_documents(document, phrase):
    with pytest.raises(InputError, match=phrase):
        from_json(document)


def test_a_class_of_the_users_own_is_named_but_not_read():
    @dataclasses.dataclass(frozen=True)
    class Mine(Intervention):
        amount: float = 1.0

        def prepare(self, site):
            return lambda value, moment: value

    document = to_json(Mine())
    assert document["kind"].endswith("Mine")
    with pytest.raises(InputError, match="unknown intervention"):
        from_json(document)


def test_built_in_kinds_are_found():
    for name in KINDS:
        assert issubclass(registry.find("interventions", KINDS, name), Intervention)


def test_clamp_gives_exactly_the_clamped_code(generator, artifacts, request_):
    sae = artifacts.sae
    x = vectors(sae)
    f = sae.encode(x)
    clamped = f.clone()
    clamped[..., [3, 5]] = 0.75
    moved = edited(Clamp((3, 5), 0.75), generator, request_, artifacts, x)
    torch.testing.assert_close(moved, x + sae.decode(clamped) - sae.decode(f))


def test_scale_multiplies_and_keeps_what_the_sae_leaves(generator, artifacts, request_):
    sae = artifacts.sae
    x = vectors(sae)
    f = sae.encode(x)
    scaled = f.clone()
    scaled[..., 2] *= 3
    moved = edited(Scale(2, 3.0), generator, request_, artifacts, x)
    torch.testing.assert_close(moved, x + sae.decode(scaled) - sae.decode(f))
    assert torch.equal(edited(Scale(2, 1.0), generator, request_, artifacts, x), x)


def test_after_ablation_the_feature_is_zero(generator, artifacts, request_):
    sae = artifacts.sae
    x = vectors(sae, 200)
    chosen = (2, 3, 5, 7)
    assert (sae.encode(x)[..., chosen] > 0).any(1).all()
    moved = edited(Ablate(chosen), generator, request_, artifacts, x)
    assert (sae.encode(moved)[..., chosen] == 0).all()
    untouched = (sae.encode(x)[..., chosen] == 0).all(-1)
    assert untouched.any()
    assert torch.equal(moved[untouched], x[untouched])


def test_add_moves_along_the_decoder(generator, artifacts, request_):
    sae = artifacts.sae
    x = vectors(sae)
    moved = edited(Add((4, 6)), generator, request_, artifacts, x)
    torch.testing.assert_close(moved - x, (sae.W_dec[4] + sae.W_dec[6]).expand_as(x), rtol=0, atol=1e-5)


def test_add_of_a_class_raises_its_probability(generator, artifacts, request_):
    sae, probe = artifacts.sae, artifacts.probes["pitch"]
    x = generator.denoiser.latents[:40, :6]
    index = int(probe.info.bins.index(64.0))

    def probability(value):
        logits = sae.encode(value) @ probe.weights[0] + probe.bias[0]
        return logits.softmax(-1)[..., index].mean()

    moved = edited(Add(property="pitch", value=64.0), generator, request_, artifacts, x)
    torch.testing.assert_close((moved - x).norm(dim=-1), torch.ones(x.shape[:2]))
    assert probability(moved) > probability(x) + 0.1


def test_paeks_edit_is_the_published_formula(generator, artifacts, request_):
    sae, probe = artifacts.sae, artifacts.probes["pitch"]
    x = vectors(sae)
    weights = probe.weights[0]
    index = int(probe.info.bins.index(64.0))
    w = weights[:, index] - weights.mean(1)
    f = sae.encode(x)
    pushed = f + w / w.norm()
    expected = sae.decode(pushed * f.norm(dim=-1, keepdim=True) / pushed.norm(dim=-1, keepdim=True))
    moved = edited(Add(property="pitch", value=64.0, mode="paek"), generator, request_, artifacts, x)
    torch.testing.assert_close(moved, expected)


def test_until_stops_where_the_decode_is_there_and_stays_stopped(generator, request_, artifacts):
    sae, probe = artifacts.sae, artifacts.probes["pitch"]
    x = generator.denoiser.latents[:40, :4]
    site = Site(generator, generator.plan(request_), len(x), artifacts)
    edit = Until(Call(lambda value, point: value + 1), "pitch", 64.0).prepare(site)
    decoded = torch.from_numpy(probe.info.bins.centres)[(sae.encode(x) @ probe.weights[0] + probe.bias[0]).argmax(-1)]
    there = (decoded - 64).abs() <= probe.info.tolerance
    assert there.any()
    assert not there.all()
    moved = edit(x, MOMENT)
    torch.testing.assert_close(moved, torch.where(there[..., None], x, x + 1))
    assert torch.equal(edit(x + 5, MOMENT)[there], (x + 5)[there])
    with pytest.raises(InputError, match="outside what the probe knows"):
        Until(Add(3), "pitch", 5.0).prepare(site)


def test_the_users_function_is_checked(generator, artifacts, request_):
    with pytest.raises(InputError, match=r"returned \(2,\); return None or a tensor of shape"):
        generator.generate(request_, bind([Call(lambda value, point: value[0, :2, 0])], generator, request_, artifacts))
