"""ConvMAE pretraining as an mmpretrain algorithm. Imports mmpretrain."""

from .convmae_pretrain import ConvMAEPretrain
from .knn_classifier import KNNClassifier
from .pretrain_head import ConvMAEPretrainHead

__all__ = ['ConvMAEPretrain', 'ConvMAEPretrainHead', 'KNNClassifier']
