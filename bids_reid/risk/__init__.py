"""Scores in, identification rates with their intervals out."""
