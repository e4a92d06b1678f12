"""Sparse autoencoders: one file per architecture, one training loop, one folder format. No torch here.

An SAE writes a vector ``x [d_in]`` as ``x_hat = f @ W_dec + b_dec`` with few non-zero features ``f [d_sae]``.
"""

ARCHITECTURES: dict[str, str] = {
    "standard": "analysis.sae.standard:StandardSAE",
    "rms": "analysis.sae.rms:RMSSAE",
    "topk": "analysis.sae.topk:TopKSAE",
    "batch_topk": "analysis.sae.batch_topk:BatchTopKSAE",
    "jumprelu": "analysis.sae.jumprelu:JumpReLUSAE",
    "matryoshka": "analysis.sae.matryoshka:MatryoshkaSAE",
    "random": "analysis.sae.random:RandomSAE",
}
"""Built-in architectures, ``"name": "module:Class"``; a new one is one file and one line here."""
