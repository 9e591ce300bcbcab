"""Put a ConvMAE into the families of mmdet, mmseg and mmpretrain, and try.

    python tools/analysis/compatibility.py --write
    python tools/analysis/compatibility.py mmdet retinanet fcos --write

One config of each folder is taken as shipped, ``use_backbone`` exchanges its
backbone by a small ConvMAE, and a training step and a prediction run on random
pictures: on the CPU, and once more through the branch that the libraries take
on a GPU. ``--write`` renews those rows of ``docs/compatibility.md``, each as
soon as it is known, and leaves the others as they are.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import logging
import multiprocessing
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import PropertyMock, patch

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope

from convmae_mm.apis import use_backbone
from convmae_mm.registry import MODELS

# Library -> family -> step -> 'yes', or why not
Results = dict[str, dict[str, dict[str, str]]]
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'compatibility.md'
LIBRARIES = ('mmdet', 'mmseg', 'mmpretrain')
STEPS = ('builds', 'step', 'prediction', 'GPU branch')
SIDES = (64, 128, 320)  # of the pictures; the larger ones where these fail
QUERIES = 100  # of transformers; no more than cells of a map
ARCH = dict(
    embed_dims=(16, 24, 32), depths=(1, 1, 2), num_heads=2, mlp_ratios=(2,) * 3
)
AVOIDED = (
    'caffe|dpool|tta|levir|cascade-rpn_r50|fast-rcnn'  # if there are others
)
# Folders without models of their own, those that track through videos, and
# those of pictures with words.
SKIPPED = {
    *('_base_', 'common', 'dsdl', 'misc', 'albu_example', 'cityscapes'),
    *('deepfashion', 'lvis', 'objects365', 'openimages', 'pascal_voc'),
    *('wider_face', 'v3det', 'crowddet', 'scratch', 'legacy_1.x'),
    *('selfsup_pretrain', 'strong_baselines', 'timm_example', 'instaboost'),
    *('simple_copy_paste', 'seesaw_loss', 'resnet_strikes_back', 'gn'),
    *('gn+ws', 'bytetrack', 'deepsort', 'masktrack_rcnn', 'ocsort'),
    *('qdtrack', 'reid', 'sort', 'strongsort', 'mask2former_vis', 'clrnet'),
    *('glip', 'grounding_dino', 'mm_grounding_dino', 'soft_teacher', 'rpn'),
    *('fast_rcnn', 'arcface', 'blip', 'blip2', 'chinese_clip', 'clip'),
    *('flamingo', 'llava', 'minigpt4', 'ofa', 'otter', 'sam', 'csra'),
}


def families(library: str) -> dict[str, Path]:
    """Folder -> the config that stands for it, a ResNet-50 if there is one."""
    package = importlib.import_module(library)
    folder = Path(package.__path__[0]) / '.mim' / 'configs'
    chosen = {}
    for place in sorted(folder.iterdir()):
        configs = sorted(
            place.glob('[!_]*.py'),
            key=lambda path: (
                not re.search(r'r(esnet)?-?50', path.name),
                len(re.findall(AVOIDED, path.name)),
                len(path.name),
            ),
        )
        if place.name not in SKIPPED and configs:
            chosen[place.name] = configs[0]
    return chosen


def prepare(library: str) -> None:
    """Import all that the library registers."""
    modules = importlib.import_module(f'{library}.utils')
    modules.register_all_modules(init_default_scope=False)


@contextmanager
def branch_of_a_gpu() -> Iterator[None]:
    """Make the libraries believe that CPU tensors lie on a GPU."""
    attention = importlib.import_module('mmcv.ops.multi_scale_deform_attn')
    truth = PropertyMock(return_value=True)
    with (
        patch.object(torch.Tensor, 'is_cuda', truth, create=True),
        patch.object(torch.cuda, 'is_available', lambda: True),
        patch.object(attention, 'IS_CUDA_AVAILABLE', True),
    ):
        yield


def examine(library: str, path: Path) -> dict[str, str]:
    """Try one config: 'yes' for each step, or why not."""
    for side in SIDES:
        results = examine_at(library, path, side)
        if results['builds'] != 'yes' or set(results.values()) == {'yes'}:
            break
    return results


def examine_at(library: str, path: Path, side: int) -> dict[str, str]:
    """As ``examine``, with pictures of one size."""
    results: dict[str, str] = {}
    torch.manual_seed(0)
    try:
        config = Config.fromfile(path)
    except Exception as error:  # shipped, but not to be read
        return {'builds': in_words(error)}
    config.default_scope = library
    hub = MessageHub.get_current_instance()  # what a runner would tell
    hub.update_info_dict(dict(epoch=0, iter=0, max_epochs=1, max_iters=1))
    state: dict[str, Any] = {}

    def build() -> None:
        extra: dict[str, Any] = {}
        if library == 'mmdet':
            extra['window_block_indexes'] = (0,)
        changed = use_backbone(config, ARCH, img_size=side, **extra)
        if 'num_queries' in changed.model:
            changed.model.num_queries = QUERIES
        if 'teacher_config' in changed.model:  # seen from the repository
            teacher = path.parents[2] / changed.model.teacher_config
            changed.model.update(teacher_config=str(teacher))
        if 'teacher_ckpt' in changed.model:
            changed.model.teacher_ckpt = None
        if 'data_preprocessor' in changed:  # as a runner does
            changed.model.setdefault(
                'data_preprocessor', changed.data_preprocessor
            )
        # small pictures stay small
        for part in (changed, changed.model):
            preprocessor = part.get('data_preprocessor') or {}
            if 'batch_augments' in preprocessor:
                preprocessor['batch_augments'] = None
            if 'size' in preprocessor:
                preprocessor['size'] = (side, side)
        text = re.sub('SyncBN', 'BN', changed.pretty_text)
        changed = Config.fromstring(text, '.py')
        with DefaultScope.overwrite_default_scope(library):
            state['model'] = MODELS.build(changed.model)
            state['model'].init_weights()
        state['model'].data_preprocessor.to('cpu')

    def step() -> None:
        train_step(state['model'], batch(config, state['model'], side))

    def predict() -> None:
        model = state['model']
        model.eval()  # mmdet's distillers do not return themselves
        with torch.no_grad():
            inputs = batch(config, model, side, pictures=1)
            data = model.data_preprocessor(inputs, False)
            if 'SelfSup' in type(model.data_preprocessor).__name__:
                model.extract_feat(data['inputs'][0])
            else:
                model(**data, mode='predict')

    def on_gpu() -> None:
        with branch_of_a_gpu():
            step()
            predict()

    actions: tuple[Callable[[], None], ...] = (build, step, predict, on_gpu)
    for name, action in zip(STEPS, actions, strict=True):
        try:
            with redirect_stdout(StringIO()), warnings.catch_warnings():
                warnings.simplefilter('ignore')
                action()
            results[name] = 'yes'
        except Exception as error:
            results[name] = in_words(error)
            if name == 'builds':
                break
    return results


def in_words(error: Exception) -> str:
    """For a cell of the table."""
    words = ' '.join(str(error).replace(sys.prefix, '.').split())[:110]
    return f'{type(error).__name__}: {words}'


def train_step(model: Any, inputs: dict[str, Any]) -> None:
    """SGD; the backbone has to learn something, in the second step where a
    head starts with zeros.
    """
    model.train()
    data = model.data_preprocessor(inputs, True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for _ in range(2):
        losses = model(**copy.deepcopy(data), mode='loss')
        total, _ = model.parse_losses(losses)
        if not total.isfinite():
            raise AssertionError(f'the loss is {total.item()}')
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if any(
            'backbone.' in name and x.grad is not None and x.grad.any()
            for name, x in model.named_parameters()
        ):
            return
    raise AssertionError('no gradient reaches the backbone')


def batch(
    config: Config, model: Any, side: int, pictures: int = 2
) -> dict[str, Any]:
    """Random pictures with the annotations that the config loads."""
    library = config.default_scope
    if library == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        return demo_mm_inputs(
            pictures,
            [[3, side, side]] * pictures,
            num_items=[3] * pictures,
            num_classes=2,
            with_mask='with_mask=True' in config.pretty_text,
            with_semantic='with_seg=True' in config.pretty_text,
        )
    images = torch.randint(
        0, 256, (pictures, 3, side, side), dtype=torch.uint8
    )
    if library == 'mmseg':
        samples = [segmentation_sample(side) for _ in images]
        return {'inputs': list(images), 'data_samples': samples}
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(0) for _ in images]
    if 'SelfSup' in type(model.data_preprocessor).__name__:
        # [2, 6]: two large crops and six small ones
        found = re.search(r'num_views=\[([\d, ]+)\]', config.pretty_text)
        count = sum(map(int, found[1].split(','))) if found else 2
        views = [images.float().roll(k, 3) for k in range(count)]
        return {'inputs': views, 'data_samples': samples}
    return {'inputs': images, 'data_samples': samples}


def segmentation_sample(side: int) -> Any:
    """Random labels of two classes, and edges."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    shape = (side, side)
    sample = SegDataSample(
        metainfo=dict(
            img_shape=shape, ori_shape=shape, pad_shape=shape, flip=False
        )
    )
    labels = torch.randint(0, 2, (1, *shape))
    sample.gt_sem_seg = PixelData(data=labels)
    sample.gt_edge_map = PixelData(data=labels.clone())
    return sample


def examine_apart(library: str, path: Path, limit: int) -> dict[str, str]:
    """As ``examine``, in a process of its own that may take ``limit`` s."""
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=lambda: sender.send(examine(library, path)), daemon=True
    )
    process.start()
    sender.close()
    try:
        if receiver.poll(limit):
            return receiver.recv()
        return {'builds': f'not done in {limit} s'}
    except EOFError:
        return {'builds': 'the process died'}
    finally:
        process.kill()
        process.join()


def page(results: Results) -> str:
    """The table of all families in Markdown."""
    lines = [
        '# Compatibility',
        '',
        'One config of each folder of the libraries, as shipped but for',
        '`convmae_mm.apis.use_backbone`: a training step and a prediction on',
        'a CPU, without compiled ops of mmcv, and once more through the',
        'branch that the libraries take on GPUs: there the CPU computes, so',
        'that it shows which ops are asked for and not how fast they are.',
        'Written by `python tools/analysis/compatibility.py --write`.',
        '',
        "mmcv's own tests of these ops (nine files of 1.x and 2.x) pass",
        'without compiled ops, their CUDA parts on CPU tensors, on mmcv',
        '2.1.0 and 2.3.6. Not run: those that read binary files and long',
        'gradients (CARAFE, attention with 1025 channels). Two fail:',
        '`carafe_naive`, which has no substitute, and, off GPUs, one that',
        'wants deformable convolution to fail on CPUs.',
    ]
    for library in LIBRARIES:
        rows = results.get(library, {})
        good = sum(
            all(row.get(name) == 'yes' for name in STEPS)
            for row in rows.values()
        )
        lines += ['', f'## {library}: {good} of {len(rows)} in all four', '']
        lines += [f'| family | {" | ".join(STEPS)} |', '|' + '---|' * 5]
        for family, row in sorted(rows.items()):
            cells = [row.get(name, '-').replace('|', '/') for name in STEPS]
            lines.append(f'| {family} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def read_page(text: str) -> Results:
    """What ``page`` wrote."""
    results: Results = {}
    for line in text.splitlines():
        if title := re.match(r'## (\w+):', line):
            rows = results.setdefault(title[1], {})
        elif line.startswith('| ') and not line.startswith('| family '):
            family, *cells = line[2:-2].split(' | ')
            known = zip(STEPS, cells, strict=True)
            rows[family] = {name: cell for name, cell in known if cell != '-'}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('library', nargs='?', choices=LIBRARIES)
    parser.add_argument('family', nargs='*', help='folders; all by default')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--limit', type=int, default=180, help='seconds each')
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    results = read_page(PAGE.read_text()) if PAGE.exists() else {}
    for library in [args.library] if args.library else LIBRARIES:
        prepare(library)  # once, before processes are forked
        known = families(library)
        unknown = set(args.family) - set(known)
        if unknown:
            parser.error(f'{library} has no {sorted(unknown)}: {list(known)}')
        for family in args.family or known:
            row = examine_apart(library, known[family], args.limit)
            print(library, family, known[family].name, row, flush=True)
            results.setdefault(library, {})[family] = row
            if args.write:
                PAGE.write_text(page(results))


if __name__ == '__main__':
    main()
