"""The only place that knows BIDS names: what is read, and what is written where."""
