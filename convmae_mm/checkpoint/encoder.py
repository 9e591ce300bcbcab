"""The encoder inside a released network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .backbone_rules import BACKBONE_RULES
from .matching import check_complete, read_facts, read_shapes
from .rules import match_released
from .variants import BACKBONE_PREFIXES, find_variant


def extract_encoder(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the encoder, under the names of a released encoder.

    Args:
        state_dict: Tensors by released name; a whole network.

    Raises:
        ForeignNetworkError: If it is another network.
        UnmatchedTensorsError: If the network is not whole.
    """
    variant = find_variant(state_dict)
    check_complete(state_dict, variant)
    prefix = BACKBONE_PREFIXES[variant]
    return {
        name[len(prefix) :]: tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
        and match_released(BACKBONE_RULES, name[len(prefix) :])
    }


def find_mode(state_dict: Mapping[str, Tensor]) -> str:
    """The mode of ``ConvMAE`` that a released network was trained in.

    Args:
        state_dict: Tensors by released name.

    Raises:
        ForeignNetworkError: If it is another network.
    """
    variant = find_variant(state_dict)
    return read_facts(read_shapes(state_dict), variant).mode
