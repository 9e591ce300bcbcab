"""Registered models; `convmae_mm.registry` says which module holds what."""
