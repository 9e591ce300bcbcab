"""Conversion of the state dicts that the ConvMAE authors released."""

from .released import convert_released_state_dict

__all__ = ['convert_released_state_dict']
