"""Checkpoints: what a file holds, and released networks to ours and back.

- :func:`load_weights_file` opens a file or URL and says what is wrong with it.
- :func:`describe_released` reads a network's settings off its tensors,
  :func:`describe_ours` those of one of ours.
- :func:`convert_released_state_dict` renames a released network to ours,
  :func:`export_released_state_dict` back.
- :func:`compare` tells how well weights fit a model, before they are loaded.
- :func:`initialise_backbone` starts an encoder from a network of either kind.

All but the first are pure functions of a dict of tensors.
"""

from .description import (
    ReleasedNetwork,
    describe_ours,
    describe_released,
)
from .encoder import extract_encoder, find_mode
from .errors import (
    CheckpointError,
    ForeignNetworkError,
    UnmatchedTensorsError,
    UnsafeFileError,
)
from .files import LoadedFile, load_weights_file, unpack_weights
from .initialisation import (
    InitialisationReport,
    initialise_backbone,
    initialise_model,
)
from .matching import check_complete
from .released import (
    convert_released_state_dict,
    export_released_state_dict,
)
from .variants import find_variant, rules_for, uses_our_names

__all__ = [
    'CheckpointError',
    'ForeignNetworkError',
    'InitialisationReport',
    'LoadedFile',
    'ReleasedNetwork',
    'UnmatchedTensorsError',
    'UnsafeFileError',
    'check_complete',
    'convert_released_state_dict',
    'describe_ours',
    'describe_released',
    'export_released_state_dict',
    'extract_encoder',
    'find_mode',
    'find_variant',
    'initialise_backbone',
    'initialise_model',
    'load_weights_file',
    'rules_for',
    'unpack_weights',
    'uses_our_names',
]
