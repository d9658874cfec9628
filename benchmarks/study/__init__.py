"""The study again, on people who do not exist."""
