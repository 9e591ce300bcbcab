"""What the shipped recipes are, were published as, and cost.

The package looks at configs: it shrinks them to the size of a test, measures
their networks, and compares their settings with the published ones.
"""
