"""What the demo found out, as numbers."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from convmae_mm.environment import collect_facts
from convmae_mm.report.scalars import read_scores

from .records import RECORDS, Records, write_json
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
    """What the demo was asked to do; kept beside its results.

    Attributes:
        settings: Sizes.
        steps: In order.
        jobs: How many steps ran at the same time.
    """

    settings: DemoSettings
    steps: list[PlannedStep]
    jobs: int

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
            data['jobs'],
        )

    @classmethod
    def of(cls, settings: DemoSettings, steps: list[Step], jobs: int) -> Plan:
        """The plan to run these steps, so many at a time."""
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
            jobs,
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
    """How long something took, in seconds."""

    title: str
    seconds: float
    attempts: int = 1


@dataclass(frozen=True)
class Timings:
    """Where the time went.

    Attributes:
        setup: Seconds to make the environment, None if the Makefile did not.
        steps: The steps; the report counts until it is written.
        together: Seconds during which at least one of them ran. Less than
            their sum, as some run at the same time.
    """

    setup: float | None
    steps: list[Timing]
    together: float


def read_timings(work_dir: Path, plan: Plan) -> Timings:
    """Read what the steps left on record."""
    setup_file = Path(sys.prefix) / 'setup_seconds'
    records = Records(work_dir / RECORDS)
    steps = []
    spans: list[tuple[float, float]] = []
    for step in plan.steps:
        record = records.unfinished(step.name) or records.finished(step.name)
        if record is not None:
            spans += record.spans
            steps.append(Timing(step.title, record.seconds, len(record.spans)))
    return Timings(
        float(setup_file.read_text()) if setup_file.is_file() else None,
        steps,
        covered_seconds(spans),
    )


def covered_seconds(spans: list[tuple[float, float]]) -> float:
    """How long at least one of the spans lasted."""
    covered, reached = 0.0, float('-inf')
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def describe_machine() -> list[tuple[str, str]]:
    """Hardware and versions, as rows of a table."""
    import torch

    facts = collect_facts()
    cores = count_cores()
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


def count_cores() -> int:
    """Of this process, which may have fewer than the machine."""
    return len(os.sched_getaffinity(0))


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
