"""ConvMAE pretraining as an mmpretrain algorithm. Imports mmpretrain."""

from .convmae_pretrain import ConvMAEPretrain
from .pretrain_head import ConvMAEPretrainHead

__all__ = ['ConvMAEPretrain', 'ConvMAEPretrainHead']
