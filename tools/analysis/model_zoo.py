"""Write the model zoo and the metafiles from the configs.

    python tools/analysis/model_zoo.py --write
    python tools/analysis/model_zoo.py --check

Names, weights, batches and lengths come from the configs, scores from
``published.py``. So a new config is listed by one command, and
a test fails while it is not.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from common import renew
from mmengine.config import Config
from published import PUBLISHED, Published
from recipe_settings import recipe_settings
from shrink import starting_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / 'docs' / 'model_zoo.md'
FOLDERS = {
    'pretrain': ('Masked Image Modeling', 'ImageNet-1k'),
    'classification': ('Image Classification', 'ImageNet-1k'),
    'detection': ('Instance Segmentation', 'COCO'),
    'segmentation': ('Semantic Segmentation', 'ADE20K'),
    'quickstart': ('Demonstration', 'DigitScenes'),
}
TOOL = 'tools/analysis/model_zoo.py'


@dataclass(frozen=True)
class Row:
    """What the zoo knows of one config; '-' where it has no such thing."""

    folder: str
    name: str
    starts_from: str
    gpus: str
    length: str
    published: Published | None

    @property
    def scores(self) -> str:
        if self.published is None or not self.published.scores:
            return '-'
        return ', '.join(f'{x} {y}' for x, y in self.published.scores.items())

    @property
    def origin(self) -> str:
        if self.folder == 'quickstart':
            return 'trained here'
        if self.scores == '-':
            return 'nothing published, not trained here'
        return 'published by the authors'


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--write', action='store_true', help='renew the files')
    what.add_argument(
        '--check', action='store_true', help='are they up to date?'
    )
    args = parser.parse_args(argv)
    stale = []
    for path, text in files():
        if not path.is_file() or path.read_text('utf-8') != text:
            stale.append(path)
            if args.write:
                path.write_text(text, 'utf-8')
    if args.check and stale:
        names = ', '.join(str(path.relative_to(ROOT)) for path in stale)
        print(f'stale: {names}. Run tools/analysis/model_zoo.py --write')
        return 1
    return 0


def files() -> Iterator[tuple[Path, str]]:
    """Every file that is written, with what it should say."""
    zoo = ZOO.read_text('utf-8')
    for folder in FOLDERS:
        rows = [describe(path) for path in configs(folder)]
        yield ROOT / 'configs' / folder / 'metafile.yml', metafile(rows)
        zoo = renew(zoo, TOOL, table(rows), folder)
    yield ZOO, zoo
    index = ROOT / 'model-index.yml'
    yield index, renew_imports(index.read_text('utf-8'))


def configs(folder: str) -> list[Path]:
    return sorted((ROOT / 'configs' / folder).glob('*.py'))


def describe(path: Path) -> Row:
    cfg = Config.fromfile(path)
    file = starting_checkpoint(cfg.model)
    trains = bool(cfg.get('train_cfg'))
    return Row(
        folder=path.parent.name,
        name=path.stem,
        starts_from=Path(file).parent.name if file else '-',
        gpus=batch_of(cfg) if trains else '-',
        length=recipe_settings(cfg)['length'] if trains else '-',
        published=PUBLISHED.get(path.stem),
    )


def batch_of(cfg: Config) -> str:
    """GPUs x pictures on each, and gradients that are summed."""
    each = cfg.train_dataloader.batch_size
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if base is None:
        return f'1 process x {each}'
    text = f'{base // (each * steps)} x {each}'
    return text if steps == 1 else f'{text}, {steps} summed'


def table(rows: list[Row]) -> str:
    lines = [
        '| config | GPUs x pictures | length | starts from | score, % | '
        'whose score |',
        '|---|---|---|---|---|---|',
    ]
    for row in rows:
        link = f'[{row.name}](../configs/{row.folder}/{row.name}.py)'
        cells = (link, row.gpus, row.length, row.starts_from)
        lines.append(f'| {" | ".join((*cells, row.scores, row.origin))} |')
    return '\n'.join(lines)


def metafile(rows: list[Row]) -> str:
    """Models in the form that mim, mmengine and modelindex read."""
    models = [model_entry(row) for row in rows]
    body = yaml.safe_dump({'Models': models}, sort_keys=False, width=1000)
    return (
        '# Written by tools/analysis/model_zoo.py. There are no weights:\n'
        "# scores under `Published` are the authors'.\n" + body
    )


def model_entry(row: Row) -> dict[str, Any]:
    task, dataset = FOLDERS[row.folder]
    entry: dict[str, Any] = {
        'Name': row.name,
        'In Collection': 'ConvMAE',
        'Config': f'configs/{row.folder}/{row.name}.py',
        'Metadata': {
            'Task': task,
            'Training Data': dataset,
            'Batch': row.gpus,
            'Length': row.length,
            'Starts From': row.starts_from,
        },
    }
    if row.published is not None and row.published.scores:
        entry['Published'] = {
            'By': 'the authors of ConvMAE',
            'Source': row.published.what,
            'Scores': dict(row.published.scores),
        }
    return entry


def renew_imports(text: str) -> str:
    """The model index with the metafile of every folder."""
    lines = ''.join(f'  - configs/{x}/metafile.yml\n' for x in FOLDERS)
    pattern = re.compile(r'^Import:.*\n(?:  - .*\n)*', re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        raise ValueError('the model index must have one `Import:`')
    return pattern.sub(f'Import:\n{lines}', text)


if __name__ == '__main__':
    sys.exit(main())
