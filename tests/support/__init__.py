"""What tests and benchmarks share: phantoms that are messy, or have lost their face."""
