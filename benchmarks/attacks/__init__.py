"""How many people the attacks find, step by step, and what was tried and did not help.

`crowd` makes synthetic people and keeps the features of their renders and photographs, `variants`
searches with them in one way or another, and `steps` counts.
"""
