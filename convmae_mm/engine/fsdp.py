"""Which parts of a network are sharded by themselves under FSDP."""

from __future__ import annotations

from torch import nn

from convmae_mm.layers import TransformerBlock


def wrap_transformer_blocks(
    module: nn.Module, recurse: bool, nonwrapped_numel: int
) -> bool:
    """Shard each transformer block alone; everything else with the root.

    An ``auto_wrap_policy`` of FSDP. The blocks hold nine tenths of the large
    and huge encoders. They are also all that may be wrapped: FSDP gathers the
    shards of a module when its ``forward`` is called, and masked pretraining
    enters the stages before by other methods.

    Args:
        module: The module in question.
        recurse: Whether FSDP asks if it should look inside instead.
        nonwrapped_numel: Parameters of the module that are not wrapped yet.
    """
    return recurse or isinstance(module, TransformerBlock)
