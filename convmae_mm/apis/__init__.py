"""Train and test any config, and build what the authors released."""

from .official import build_from_official
from .test import run_test, test, testing_config
from .train import run_training, train, training_config
from .use_backbone import use_backbone

__all__ = [
    'build_from_official',
    'run_test',
    'run_training',
    'test',
    'testing_config',
    'train',
    'training_config',
    'use_backbone',
]
