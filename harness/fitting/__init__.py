"""Training on data sets: SAEs and probes, with the folders they leave."""
