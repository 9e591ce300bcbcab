"""Necks: the pretraining decoder and the pooling of classifiers."""

from .classifier_neck import ConvMAEClassifierNeck
from .pretrain_decoder import ConvMAEPretrainDecoder

__all__ = ['ConvMAEClassifierNeck', 'ConvMAEPretrainDecoder']
