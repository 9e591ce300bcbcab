"""Classes of pictures from those of their nearest neighbours.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
Discrimination", CVPR 2018, https://arxiv.org/abs/1805.01978.

Legend: B batch, N pictures of the gallery, C channels, k neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convmae_mm.arguments import CONFIG, number, takes, whole
from convmae_mm.registry import MODELS

from .convmae_pretrain import ConvMAEPretrain


@MODELS.register_module()
class KNNClassifier(ConvMAEPretrain):
    """A pretrained network that asks its nearest neighbours for the class.

    It has the tensors of :class:`ConvMAEPretrain`, so that a checkpoint of a
    pretraining fits as it is, and it learns nothing. A picture is described
    by the mean of E3 over its positions, of length one. Each of the k nearest
    pictures of the gallery votes for its class, with the weight
    exp(cosine / temperature).

    The gallery is encoded at the first prediction, by all processes
    together, and kept until ``train()`` says that weights may change.

    Args:
        gallery: Config of a data loader of labelled pictures, without
            augmentation.
        num_classes: Number of classes.
        num_neighbours: k, at least 1.
        temperature: Above 0; the smaller, the less do far neighbours count.
        **pretraining: Arguments of :class:`ConvMAEPretrain`.

    Raises:
        ConfigError: For wrong settings.
    """

    @takes(
        gallery=CONFIG,
        num_classes=whole(1, 10**6),
        num_neighbours=whole(1, 10**6),
        temperature=number('(]', 0, 1000),
    )
    def __init__(
        self,
        gallery: dict,
        num_classes: int,
        num_neighbours: int = 20,
        temperature: float = 0.07,
        **pretraining: Any,
    ) -> None:
        super().__init__(**pretraining)
        self.gallery = gallery
        self.num_classes = num_classes
        self.num_neighbours = num_neighbours
        self.temperature = temperature
        self._encoded_gallery: tuple[Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> KNNClassifier:
        """As in PyTorch; when training begins, the gallery is forgotten."""
        if mode:
            self._encoded_gallery = None
        return super().train(mode)

    def forward(
        self,
        inputs: Tensor,
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """As mmpretrain's base class, with the mode 'predict' besides."""
        if mode == 'predict':
            return self.predict(inputs, data_samples or [])
        return super().forward(inputs, data_samples, mode)

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Put the votes into the samples, as mmpretrain's heads do.

        Args:
            inputs: (B, channels, height, width), preprocessed.
            data_samples: mmpretrain's samples of the B pictures.
        """
        if self._encoded_gallery is None:
            self._encoded_gallery = self._encode_gallery()
        features, labels = self._encoded_gallery
        votes = self.vote(self.describe(inputs), features, labels)
        for sample, scores in zip(data_samples, votes, strict=True):
            sample.set_pred_score(scores)
            sample.set_pred_label(scores.argmax())
        return data_samples

    def describe(self, images: Tensor) -> Tensor:
        """Unit vectors (B, C) of images (B, channels, height, width)."""
        e3 = self.extract_feat(images)[2]
        return F.normalize(e3.mean(dim=(2, 3)), dim=1)

    def vote(
        self, queries: Tensor, features: Tensor, labels: Tensor
    ) -> Tensor:
        """Shares of the votes, (B, num_classes), each row adding up to 1.

        Args:
            queries: (B, C), unit vectors.
            features: (N, C), unit vectors of the gallery.
            labels: int (N,), their classes.
        """
        k = min(self.num_neighbours, len(features))
        cosines, nearest = (queries @ features.T).topk(k)
        weights = (cosines / self.temperature).softmax(dim=1)
        votes = queries.new_zeros(len(queries), self.num_classes)
        return votes.scatter_add_(1, labels[nearest], weights)

    def _encode_gallery(self) -> tuple[Tensor, Tensor]:
        """Unit vectors (N, C) and classes (N,), of all processes' shares."""
        # Here, because models do not depend on what runs them otherwise.
        from mmengine.dist import all_gather
        from mmengine.runner import Runner

        loader = Runner.build_dataloader(dict(self.gallery))
        features, labels = self._encode(loader)
        # The sampler gives each process as many, so these can be stacked; a
        # picture that fills up the last round counts twice.
        return torch.cat(all_gather(features)), torch.cat(all_gather(labels))

    def _encode(self, batches: Iterable[dict]) -> tuple[Tensor, Tensor]:
        features, labels = [], []
        for batch in batches:
            data = self.data_preprocessor(batch, training=False)
            inputs, samples = data['inputs'], data['data_samples']
            features.append(self.describe(inputs))
            labels.append(torch.cat([sample.gt_label for sample in samples]))
        return torch.cat(features), torch.cat(labels).to(features[0].device)
