"""Numbers -> findings: properties, sparse autoencoders, probes, emergence, statistics. Knows arrays only."""
