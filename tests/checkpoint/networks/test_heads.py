"""The names of detectors' and segmentors' heads."""

from __future__ import annotations

import pytest
import torch

from convmae_mm.checkpoint.errors import UnmatchedTensorsError
from convmae_mm.checkpoint.networks.detectors import (
    DETECTOR1_RULES,
    DETECTOR2_RULES,
)
from convmae_mm.checkpoint.networks.rules import (
    Renaming,
    Rules,
    import_tensors,
)
from convmae_mm.checkpoint.networks.segmentor import SEGMENTOR_RULES


@pytest.mark.parametrize(
    ('rules', 'released', 'ours'),
    [
        (
            DETECTOR1_RULES,
            'backbone.fpn_output5.norm.running_var',
            'neck.fpn_convs.3.bn.running_var',
        ),
        (
            DETECTOR2_RULES,
            'backbone.simfp_2.4.weight',
            'neck.lateral_convs.0.conv.weight',
        ),
        (
            DETECTOR2_RULES,
            'backbone.simfp_5.2.norm.bias',
            'neck.fpn_convs.3.ln.bias',
        ),
        (
            DETECTOR1_RULES,
            'proposal_generator.rpn_head.conv.conv1.bias',
            'rpn_head.rpn_conv.1.conv.bias',
        ),
        (
            DETECTOR2_RULES,
            'roi_heads.mask_head.mask_fcn4.norm.weight',
            'roi_head.mask_head.convs.3.ln.weight',
        ),
        (
            SEGMENTOR_RULES,
            'decode_head.psp_modules.3.1.bn.num_batches_tracked',
            'decode_head.psp_modules.3.1.bn.num_batches_tracked',
        ),
    ],
)
def test_examples(rules: Rules, released: str, ours: str) -> None:
    table = Renaming(rules)
    assert table.from_released(released)[0] == ours
    assert table.from_ours(ours)[0] == released


@pytest.mark.parametrize(
    ('rules', 'wrong'),
    [
        # bias and norm: the convolutions have the one or the other
        (DETECTOR1_RULES, 'backbone.fpn_lateral2.bias'),
        (DETECTOR1_RULES, 'backbone.fpn_lateral6.weight'),
        (DETECTOR2_RULES, 'backbone.simfp_5.0.weight'),
        (DETECTOR2_RULES, 'roi_heads.box_head.fc2.weight'),
        (DETECTOR2_RULES, 'roi_heads.mask_head.mask_fcn5.weight'),
        (SEGMENTOR_RULES, 'decode_head.bottleneck.conv.bias'),
        (SEGMENTOR_RULES, 'decode_head.conv_logits.weight'),
    ],
)
def test_unknown_names_raise(rules: Rules, wrong: str) -> None:
    with pytest.raises(UnmatchedTensorsError, match=wrong):
        import_tensors({wrong: torch.zeros(1)}, rules)
