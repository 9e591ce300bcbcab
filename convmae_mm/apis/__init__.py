"""Train and test any config, from Python as from the command line."""

from .test import run_test, test, testing_config
from .train import run_training, train, training_config

__all__ = [
    'run_test',
    'run_training',
    'test',
    'testing_config',
    'train',
    'training_config',
]
