"""Necks: pretraining decoder, pooling of classifiers, simple pyramid."""

from .classifier_neck import ConvMAEClassifierNeck
from .pretrain_decoder import ConvMAEPretrainDecoder
from .simple_fpn import SimpleFPN

__all__ = ['ConvMAEClassifierNeck', 'ConvMAEPretrainDecoder', 'SimpleFPN']
