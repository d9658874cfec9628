"""``bids-reid-demo``: synthetic people on disk, and both levels run on them."""
