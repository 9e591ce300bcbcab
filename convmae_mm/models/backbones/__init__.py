"""The ConvMAE backbone."""

from .convmae import ConvMAE

__all__ = ['ConvMAE']
