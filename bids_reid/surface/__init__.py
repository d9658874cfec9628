"""A head volume becomes a closed skin surface and a face frame (millimetres, RAS)."""
