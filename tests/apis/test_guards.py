"""What every run has, whether its config names it or not."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from convmae_mm.apis.guards import fit_loaders


@pytest.mark.parametrize('workers', [0, None])
def test_a_loader_without_workers_builds(workers: int | None) -> None:
    """torch refuses settings of workers that are not there."""
    cfg = Config(
        dict(
            train_dataloader=dict(
                num_workers=workers, persistent_workers=True, prefetch_factor=2
            ),
            val_dataloader=None,
        )
    )
    fit_loaders(cfg)
    loader = dict(cfg.train_dataloader)
    assert loader.pop('worker_init_fn')
    loader['num_workers'] = loader['num_workers'] or 0
    DataLoader([1, 2], **loader)


def test_workers_keep_their_settings() -> None:
    settings = dict(num_workers=2, persistent_workers=True, prefetch_factor=2)
    cfg = Config(dict(train_dataloader=dict(settings)))
    fit_loaders(cfg)
    assert settings.items() <= dict(cfg.train_dataloader).items()
