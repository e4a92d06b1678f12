"""DiffRhythm (arXiv 2503.01183): the network, its sampler and a generator around them."""
