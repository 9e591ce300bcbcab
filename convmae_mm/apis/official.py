"""The network in a file that the ConvMAE authors released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor, nn

from convmae_mm.checkpoint import (
    ReleasedNetwork,
    WholeNetwork,
    initialise_backbone,
    load_weights_file,
    unpack_weights,
)
from convmae_mm.checkpoint.networks import model_config
from convmae_mm.engine.pretrained import show_report
from convmae_mm.models.backbones import ConvMAE


def build_from_official(
    source: str | PathLike | Mapping[str, Tensor],
    *,
    mode: str | None = None,
    num_heads: int | None = None,
    decoder_num_heads: int | None = None,
    num_masks: int | None = None,
    mask_ratio: float | None = None,
    norm_pix: bool | None = None,
    img_size: int | Sequence[int] | None = None,
    window_block_indexes: Sequence[int] | None = None,
) -> nn.Module:
    """Build the network of a released file, with its weights.

    Settings are read off the names and shapes of the tensors; what neither
    tells is given here.

    Args:
        source: Path or URL of a released file, or what is in it: tensors by
            released name, bare or as ``{'model': ...}``.
        mode: Take the encoder alone, in this mode, where it is not the
            file's own.
        num_heads: Attention heads of the encoder; by default they are read
            off position tables, or have 64 channels each (huge: 80).
        decoder_num_heads: Attention heads of the pretraining decoder;
            by default 16.
        num_masks: Complementary masks of a pretraining network; by default
            1. FastConvMAE has 4, and the same tensors.
        mask_ratio: Of a pretraining network; by default 0.75.
        norm_pix: Whether a pretraining network predicts normalised patches;
            by default True.
        img_size: Size in pixels, a number or (height, width), of the tables
            of positions where they are not square; otherwise the size to
            use the network at, which the tables are resized to.
        window_block_indexes: 0-based stage-3 blocks with window attention,
            for other depths than 11; files with shared tables do not tell.

    Returns:
        A :class:`ConvMAE` for an encoder alone, :class:`ConvMAEPretrain` for
        a pretraining network, mmpretrain's ``ImageClassifier``, mmdet's
        ``MaskRCNN`` or mmseg's ``EncoderDecoder``; in evaluation mode, on
        the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is no released ConvMAE network, is not whole,
            or does not tell what must be given.
        ValueError: For an option that the network has no use for.
    """
    if isinstance(source, Mapping):
        weights = unpack_weights(source)
    else:
        weights = load_weights_file(source).weights
    whole = WholeNetwork(weights)
    if mode not in (None, whole.encoder.mode):
        whole = WholeNetwork(whole.extract_encoder())
    network = whole.describe(
        mode=mode,
        img_size=img_size,
        num_heads=num_heads,
        decoder_num_heads=decoder_num_heads,
        window_block_indexes=window_block_indexes,
    )
    # options of pretraining must not be given in vain
    options = {
        'num_masks': num_masks,
        'mask_ratio': mask_ratio,
        'norm_pix': norm_pix,
        'decoder_num_heads': decoder_num_heads,
    }
    given = {name: x for name, x in options.items() if x is not None}
    if given and 'decoder' not in network.parts:
        raise ValueError(
            f'{given} cannot act on a network of kind {network.variant!r}: '
            'only a pretraining network, in its own mode, masks and decodes'
        )
    if not network.parts:
        return _build_encoder(network, whole.released).eval()
    config = model_config(network)
    for name, value in given.items():
        if name == 'norm_pix':
            config.head.norm_pix = value
        elif name != 'decoder_num_heads':  # which is in the network
            config[name] = value
    model = MODELS.build(config)
    model.load_state_dict(whole.to_ours(), strict=True)
    return model.eval()


def _build_encoder(
    network: ReleasedNetwork, weights: Mapping[str, Tensor]
) -> ConvMAE:
    """The encoder; in another mode than its own, what is new is logged."""
    backbone = ConvMAE(**network.backbone)
    report = initialise_backbone(backbone, weights, allow_other_mode=True)
    if report.new or report.unexpected or report.resized:
        print_log(
            f'The encoder in mode {backbone.mode!r}\n{show_report(report)}',
            logger='current',
        )
    return backbone
