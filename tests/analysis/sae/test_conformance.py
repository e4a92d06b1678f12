from analysis.sae.config import SAEConfig
from analysis.testing import SAETests


class TestStandard(SAETests):
    config = SAEConfig("standard", 24, 96, sparsity=0.05)


class TestRMS(SAETests):
    config = SAEConfig("rms", 24, 96, sparsity=0.05)


class TestTopK(SAETests):
    config = SAEConfig("topk", 24, 96, k=4)


class TestBatchTopK(SAETests):
    config = SAEConfig("batch_topk", 24, 96, k=4)


class TestJumpReLU(SAETests):
    config = SAEConfig("jumprelu", 24, 96, k=4)


class TestMatryoshka(SAETests):
    config = SAEConfig("matryoshka", 24, 96, k=4)


class TestRandom(SAETests):
    config = SAEConfig("random", 24, 96, k=4)
