"""Folders we write, read by the libraries they are for, and the other way round, where those are installed."""

from pathlib import Path

import pytest
import torch

from analysis.sae.formats import dictionary_learning, saelens, sparsify
from tests.analysis.sae.test_formats import THEIRS, X, make

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "batch_topk", "matryoshka", "random"])
def test_saelens_reads_and_writes_what_we_do(architecture: str, tmp_path: Path) -> None:
    library = pytest.importorskip("sae_lens", reason="sae-lens is not installed")
    sae = make(architecture)
    saelens.save(sae, tmp_path / "ours")
    theirs = library.SAE.load_from_disk(tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(theirs(X), sae(X), rtol=1e-4, atol=1e-4)
    assert theirs.cfg.metadata.model_name == "codec"
    theirs.save_model(tmp_path / "theirs")
    with torch.no_grad():
        torch.testing.assert_close(saelens.load(tmp_path / "theirs")(X), sae(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rescale", [False, True])
def test_saelens_topk_of_their_own(rescale: bool, tmp_path: Path) -> None:
    library = pytest.importorskip("sae_lens", reason="sae-lens is not installed")
    config = library.TopKSAEConfig(d_in=8, d_sae=32, k=4, rescale_acts_by_decoder_norm=rescale)
    theirs = library.TopKSAE(config)
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.copy_(torch.randn(tensor.shape))
        theirs.save_model(tmp_path)
        torch.testing.assert_close(saelens.load(tmp_path)(X), theirs(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", [*THEIRS, "random"])
def test_dictionary_learning_reads_what_we_write(architecture: str, tmp_path: Path) -> None:
    utils = pytest.importorskip("dictionary_learning.utils", reason="dictionary-learning is not installed")
    sae = make(architecture)
    if architecture == "standard":
        # Their loader scales decoder rows to norm 1, and features in turn; it only checks, if they have it already.
        sae.W_dec.data = torch.nn.functional.normalize(sae.W_dec.data)
    dictionary_learning.save(sae, tmp_path)
    theirs, _ = utils.load_dictionary(str(tmp_path), device="cpu")
    with torch.no_grad():
        torch.testing.assert_close(theirs(X), sae(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["topk", "random"])
def test_sparsify_reads_and_writes_what_we_do(architecture: str, tmp_path: Path) -> None:
    library = pytest.importorskip("sparsify", reason="eai-sparsify is not installed")
    sae = make(architecture)
    sparsify.save(sae, tmp_path / "ours")
    theirs = library.SparseCoder.load_from_disk(tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(theirs(X).sae_out, sae(X), rtol=1e-4, atol=1e-4)
    theirs.save_to_disk(tmp_path / "theirs")
    with torch.no_grad():
        torch.testing.assert_close(sparsify.load(tmp_path / "theirs")(X), sae(X), rtol=1e-4, atol=1e-4)
