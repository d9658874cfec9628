"""De-faced heads, labelled by what is left: see the modules."""
