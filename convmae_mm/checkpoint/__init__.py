"""Checkpoints: what a file holds, and released networks to ours and back.

- :func:`load_weights_file` opens a file or URL and says what is wrong with it.
- :class:`WholeNetwork` is a released network: its kind, its settings, its
  tensors under both names. ``networks`` is the table of their kinds.
- :func:`describe_released`, :func:`convert_released_state_dict` and others
  are what it can do, in one call.
- :func:`initialise_backbone` starts an encoder from a network of either kind.

All but the first are pure functions of a dict of tensors.
"""

from .errors import (
    CheckpointError,
    ForeignNetworkError,
    UnmatchedTensorsError,
    UnsafeFileError,
)
from .initialisation import (
    InitialisationReport,
    initialise_backbone,
    initialise_model,
)
from .networks import ReleasedNetwork, uses_our_names
from .opening import LoadedFile, load_weights_file, unpack_weights
from .whole import (
    WholeNetwork,
    convert_released_state_dict,
    describe_ours,
    describe_released,
    export_released_state_dict,
    extract_encoder,
    find_variant,
    find_whole,
)

__all__ = [
    'CheckpointError',
    'ForeignNetworkError',
    'InitialisationReport',
    'LoadedFile',
    'ReleasedNetwork',
    'UnmatchedTensorsError',
    'UnsafeFileError',
    'WholeNetwork',
    'convert_released_state_dict',
    'describe_ours',
    'describe_released',
    'export_released_state_dict',
    'extract_encoder',
    'find_variant',
    'find_whole',
    'initialise_backbone',
    'initialise_model',
    'load_weights_file',
    'unpack_weights',
    'uses_our_names',
]
