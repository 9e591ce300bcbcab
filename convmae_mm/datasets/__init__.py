"""Data sets and transforms; importing them registers them."""
