"""What the demo found out, as numbers."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from convmae_mm.environment import collect_facts

from .records import RECORDS, Records, write_json
from .scalars import read_scores
from .settings import DemoSettings
from .steps import (
    DETECTOR,
    DETECTOR_SCRATCH,
    SEGMENTOR,
    SEGMENTOR_SCRATCH,
    Step,
)

PLAN_FILE = 'demo.json'


@dataclass(frozen=True)
class PlannedStep:
    """A step as the report tells it."""

    name: str
    title: str
    command: str
    max_epochs: int | None


@dataclass(frozen=True)
class Plan:
    """What the demo was asked to do; kept beside its results."""

    settings: DemoSettings
    steps: list[PlannedStep]

    def write(self, work_dir: Path) -> None:
        write_json(work_dir / PLAN_FILE, asdict(self))

    @classmethod
    def read(cls, work_dir: Path) -> Plan:
        """Read the plan back.

        Raises:
            FileNotFoundError: If no demo ran in the folder.
        """
        file = work_dir / PLAN_FILE
        if not file.is_file():
            raise FileNotFoundError(
                f'{file} does not exist: no demo ran in {work_dir}'
            )
        data = json.loads(file.read_text(encoding='utf-8'))
        return cls(
            DemoSettings(**data['settings']),
            [PlannedStep(**step) for step in data['steps']],
        )

    @classmethod
    def of(cls, settings: DemoSettings, steps: list[Step]) -> Plan:
        return cls(
            settings,
            [
                PlannedStep(
                    step.name,
                    step.title,
                    _command_line(step),
                    None if step.config is None else step.max_epochs,
                )
                for step in steps
            ],
        )

    def max_epochs(self, step: str) -> int:
        """Of a training step."""
        epochs = next(s.max_epochs for s in self.steps if s.name == step)
        assert epochs is not None
        return epochs


@dataclass(frozen=True)
class Score:
    """One score of a model, between 0 and 1, for both starts."""

    model: str
    name: str
    pretrained: float
    scratch: float


# Model, name, key in mmengine's log, and what the log gives for a perfect 1.
_SCORES = (
    ('Mask R-CNN', 'box AP', 'coco/bbox_mAP', 1.0),
    ('Mask R-CNN', 'mask AP', 'coco/segm_mAP', 1.0),
    ('Mask R-CNN', 'mask AP at IoU 0.5', 'coco/segm_mAP_50', 1.0),
    ('UperNet', 'mIoU', 'mIoU', 100.0),
    ('UperNet', 'pixel accuracy', 'aAcc', 100.0),
)
_STEPS = {
    'Mask R-CNN': (DETECTOR, DETECTOR_SCRATCH),
    'UperNet': (SEGMENTOR, SEGMENTOR_SCRATCH),
}


def read_demo_scores(work_dir: Path, plan: Plan) -> list[Score]:
    """The scores of all trainings.

    Raises:
        FileNotFoundError: If a training has none.
    """
    found: dict[str, dict[str, float]] = {}
    for training in (t for pair in _STEPS.values() for t in pair):
        folder = work_dir / training.name
        scores = read_scores(folder, plan.max_epochs(training.name))
        if not scores:
            raise FileNotFoundError(
                f'{folder} holds no scores of its last epoch: run the demo '
                'to its end first'
            )
        found[training.name] = scores
    rows = []
    for model, name, key, scale in _SCORES:
        pretrained, scratch = (found[t.name] for t in _STEPS[model])
        rows.append(
            Score(model, name, pretrained[key] / scale, scratch[key] / scale)
        )
    return rows


@dataclass(frozen=True)
class Timing:
    """How long something took, in seconds; None if that is not known."""

    title: str
    seconds: float | None
    attempts: int = 1


def read_timings(work_dir: Path, plan: Plan) -> list[Timing]:
    """Of the set-up, if the Makefile made this environment, and each step.

    The report counts until it is written.
    """
    timings = []
    setup = Path(sys.prefix) / 'setup_seconds'
    if setup.is_file():
        timings.append(
            Timing('Set up the environment', float(setup.read_text()))
        )
    records = Records(work_dir / RECORDS)
    for step in plan.steps:
        record = records.unfinished(step.name) or records.finished(step.name)
        timings.append(
            Timing(step.title, None)
            if record is None
            else Timing(step.title, record.seconds, record.attempts)
        )
    return timings


def describe_machine() -> list[tuple[str, str]]:
    """Hardware and versions, as rows of a table."""
    import torch

    facts = collect_facts()
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = 'none: everything ran on the CPU'
    rows = [
        ('CPU', f'{_cpu_name()}, {cores} cores'),
        ('Memory', f'{memory / 2**30:.0f} GiB'),
        ('GPU', device),
        ('System', f'{platform.system()} {platform.machine()}'),
        ('Python', platform.python_version()),
    ]
    shown = ['torch', 'torchvision', 'mmengine', 'mmcv', 'mmcv-lite']
    shown += ['mmdet', 'mmsegmentation', 'mmpretrain']
    maintained = tuple(
        f'onedl-{name}' for name in (*shown[2:4], 'mmdetection', *shown[6:])
    )
    rows += [
        (name, facts.versions[name])
        for name in (*shown, *maintained)
        if name in facts.versions
    ]
    return rows


def _cpu_name() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _command_line(step: Step) -> str:
    """The command as a person would type it, from the repository."""
    words = [
        f'configs/quickstart/{Path(word).name}'
        if word.endswith('.py')
        else word
        for word in step.arguments
    ]
    return ' '.join(['convmae-mm', *words])
