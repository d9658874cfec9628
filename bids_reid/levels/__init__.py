"""The two levels: what is chosen, run, counted and told to the user."""
