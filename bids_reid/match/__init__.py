"""Templates and probes in, one score per probe and scan out."""
