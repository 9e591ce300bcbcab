"""From pictures to a trained and scored network: a list of our commands."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from convmae_mm.apis.load import RUN_FILE, find_checkpoint
from convmae_mm.engine.atomic_files import write_whole
from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)
from convmae_mm.errors import ConfigError
from convmae_mm.processes import own_folder

from .configs import Wishes
from .data import Data, Pictures
from .machine import Machine, this_machine
from .new import new_command, shown, train_command, write_config
from .process import run_command
from .recipe import VALIDATIONS

# On a CPU, without another wish; a GPU trains as long as the data suggest.
CPU_MINUTES = 20.0
# Of the time, what pretraining gets; each start of the task shares the rest.
PRETRAIN_SHARE = 0.3
START_SECONDS = 15  # to start a command
TIMED_STEPS = 14
WARM_STEPS = 5
# A picture that is scored takes so much of the time of one that is learnt.
SCORED = 0.5
# Beyond so many times the length that the data suggest, nothing is gained.
LONGEST = 4


@dataclass(frozen=True)
class Run:
    """What ``convmae-mm run`` is asked for.

    Attributes:
        data: With labels.
        pictures: Without labels, None to train without pretraining.
        work_dir: Gets everything.
        wishes: What the data do not say.
        weights: A checkpoint to start the pretraining from, or the task if
            there is none.
        minutes: For all together; None for what the data suggest, which on a
            CPU is at most ``CPU_MINUTES``.
        compare_scratch: Train once more without any weights.
    """

    data: Data
    pictures: Pictures | None
    work_dir: Path
    wishes: Wishes
    weights: str | None = None
    minutes: float | None = None
    compare_scratch: bool = False

    @property
    def steps(self) -> list[str]:
        """Names of the trainings, in their order."""
        names = [] if self.pictures is None else ['encoder']
        names.append(self.data.task)
        if self.compare_scratch:
            names.append(f'{self.data.task}_scratch')
        return names

    def key(self) -> dict[str, Any]:
        """What has to be the same for a run that goes on."""
        return {
            'data': self.data.options(),
            'pictures': self.pictures and self.pictures.options(),
            'weights': self.weights,
            'wishes': {
                name: value
                for name, value in vars(self.wishes).items()
                if name != 'command'
            },
        }


class RunFile:
    """What is done, for us and for ``predict``, on disk after each step."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RUN_FILE
        self.content: dict[str, Any] = {}
        if self.path.is_file():
            self.content = json.loads(self.path.read_text('utf-8'))

    def update(self, **values: Any) -> None:
        """Write what is new; the file is whole at any moment."""
        self.content.update(values)
        text = json.dumps(self.content, indent=1)
        write_whole(self.path, text.encode())

    @property
    def steps(self) -> dict[str, Any]:
        """By name: seconds that a step took, and what it left."""
        found: dict[str, Any] = self.content.setdefault('steps', {})
        return found

    def finish(self, step: str, **values: Any) -> None:
        """Put a step on record."""
        self.steps[step] = values
        self.update()

    @property
    def seconds(self) -> float:
        """Spent so far, over all starts."""
        return sum(x['seconds'] for x in self.steps.values())


def run(order: Run, console: Console | None = None) -> RunFile:
    """Check, pretrain, train and score, or what is left of it.

    Raises:
        UserError: For data or options that are wrong, before anything is
            trained; and if a step fails.
    """
    console = console or Console(soft_wrap=True)
    if order.pictures is not None:
        order.pictures.check()
    order.data.check()
    with own_folder(order.work_dir):
        record = RunFile(order.work_dir)
        _check_same(order, record)
        record.update(key=order.key(), task=order.data.task)
        runner = _Runner(order, record, this_machine(), console)
        for name in order.steps:
            runner.train(name)
        runner.tell()
    return record


class _Runner:
    def __init__(
        self, order: Run, record: RunFile, machine: Machine, console: Console
    ) -> None:
        self.order = order
        self.record = record
        self.machine = machine
        self.console = console
        self.budget = order.minutes
        if self.budget is None and not machine.gpu:
            self.budget = CPU_MINUTES

    def train(self, name: str) -> None:
        """Write the config of a training, train and score."""
        folder = self.order.work_dir / name
        config = folder.with_suffix('.py')
        data: Data = self.order.data
        if name == 'encoder':
            assert self.order.pictures is not None
            data = self.order.pictures
        with self._step(f'{name}.py') as step:
            if step is not None:
                step.update(self._new(name, data, config))
        with self._step(name) as step:
            if step is not None:
                self._command(
                    name, train_command(config, folder, self.machine)
                )
                step['checkpoint'] = str(find_checkpoint(folder))
        if name == 'encoder':
            return
        with self._step(f'{name} scores') as step:
            if step is not None:
                step['scores'] = self._score(name, config, folder)

    def _new(self, name: str, data: Data, config: Path) -> dict[str, Any]:
        encoder = self._encoder(name)
        iters = self._iters(name, data, encoder)
        wishes = replace(self.order.wishes, iters=iters)
        self._show(new_command(data, config, wishes, encoder))
        write_config(data, config, wishes, encoder)
        return {'iters': iters}

    def _encoder(self, name: str) -> str | None:
        """Where a training starts."""
        if name.endswith('_scratch'):
            return None
        done = self.record.steps.get('encoder')
        if name == 'encoder' or done is None:
            return self.order.weights
        return str(done['checkpoint'])

    def _iters(self, name: str, data: Data, encoder: str | None) -> int | None:
        """Steps that fit the time; None for what the data suggest."""
        if name.endswith('_scratch'):
            # At the same budget as the other start.
            first = self.record.steps[f'{self.order.data.task}.py']
            return int(first['iters']) if first['iters'] else None
        if self.budget is None:
            return None
        left = 60 * self.budget - self.record.seconds
        with tempfile.TemporaryDirectory(prefix='convmae_mm_') as folder:
            config = Path(folder) / 'timed.py'
            write_config(data, config, self.order.wishes, encoder)
            suggested, seconds, scored = self._time(config)
        if name == 'encoder':
            share = PRETRAIN_SHARE * left
        else:
            arms = 1 + self.order.compare_scratch
            share = left / arms - 3 * START_SECONDS
            share -= (VALIDATIONS + 1) * scored
        iters = int(share / seconds)
        most = suggested if self.order.minutes is None else LONGEST * suggested
        if iters < TIMED_STEPS:
            raise ConfigError(
                f'{self.budget:g} minutes are too few: {max(0, share):.0f} '
                f'seconds are left for {name}, a step of which takes '
                f'{seconds:.2f} seconds; ask for more with --minutes'
            )
        return min(iters, most)

    def _time(self, config: Path) -> tuple[int, float, float]:
        """The config's own steps, seconds of one, and of one validation."""
        from mmengine.config import Config

        cfg = Config.fromfile(config)
        folder = config.parent
        changes = [
            f'train_cfg.max_iters={TIMED_STEPS}',
            'default_hooks.logger.interval=1',
            'default_hooks.checkpoint.interval=1000000',
            'default_hooks.checkpoint.save_last=False',
        ]
        command = train_command(config, folder / 'timed', self.machine)
        if cfg.get('val_cfg') is not None:
            command.append('--no-validate')
            changes += [
                'default_hooks.checkpoint.save_best=None',
                'custom_hooks.0.begin_iter=0',
            ]
        self.console.print(
            f'[dim]# {TIMED_STEPS} steps to see how long one takes[/]'
        )
        self._command('timing', [*command, '--cfg-options', *changes])
        files = folder.glob('timed/*/vis_data/scalars.json')
        times = [
            json.loads(line)['time']
            for file in files
            for line in file.read_text('utf-8').splitlines()
        ]
        seconds = statistics.mean(times[WARM_STEPS:])
        pictures = 0
        if cfg.get('val_dataloader') is not None:
            pictures = self._count(cfg.val_dataloader.dataset)
        batch = cfg.train_dataloader.batch_size
        return (
            cfg.train_cfg.max_iters,
            seconds,
            SCORED * seconds / batch * pictures,
        )

    @staticmethod
    def _count(dataset: Any) -> int:
        text = Path(dataset.ann_file).read_text('utf-8')
        if dataset.type == 'CocoDataset':
            return len(json.loads(text)['images'])
        return len(text.splitlines())

    def _score(
        self, name: str, config: Path, folder: Path
    ) -> dict[str, float]:
        out = folder / 'scores.json'
        command = [
            'convmae-mm',
            'test',
            str(config),
            str(find_checkpoint(folder)),
        ]
        command += ['--work-dir', str(folder), '--out', str(out)]
        self._command(f'{name}_scores', command)
        scores: dict[str, float] = json.loads(out.read_text('utf-8'))
        if name == self.order.data.task:
            self.record.update(
                # below the folder of the run, which may be moved
                config=config.name,
                checkpoint=f'{name}/{find_checkpoint(folder).name}',
                scores=scores,
            )
        return scores

    @contextmanager
    def _step(self, name: str) -> Iterator[dict[str, Any] | None]:
        """Times and records what is done inside; None if it was before."""
        done = self.record.steps.get(name)
        if done is not None and 'unfinished' not in done:
            yield None
            return
        start = time.monotonic()
        before = 0.0 if done is None else done['seconds']
        step: dict[str, Any] = {}
        try:
            yield step
        except BaseException:
            seconds = before + time.monotonic() - start
            self.record.finish(name, seconds=seconds, unfinished=True)
            raise
        seconds = before + time.monotonic() - start
        self.record.finish(name, seconds=seconds, **step)

    def _show(self, command: Sequence[str]) -> None:
        self.console.print(
            f'$ {shown(command)}', highlight=False, markup=False
        )

    def _command(self, name: str, command: Sequence[str]) -> None:
        """Run one and show how far it is; the rest goes to a file."""
        if name != 'timing':
            self._show(command)
        log = self.order.work_dir / 'logs' / f'{name}.log'
        if not self.console.is_terminal:
            run_command(command, log, self._tell_progress)
            return
        with self.console.status(f'{log}') as status:
            run_command(
                command, log, lambda line: status.update(_in_words(line))
            )

    def _tell_progress(self, line: ProgressLine) -> None:
        if line.phase == 'train':
            self.console.print(f'  {_in_words(line)}', highlight=False)

    def tell(self) -> None:
        """What was reached, where it is, what to type next."""
        task = self.order.data.task
        table = Table(title='Scores on the validation pictures')
        table.add_column('')
        arms = [name for name in self.order.steps if name != 'encoder']
        for name in arms:
            scratch = name.endswith('_scratch')
            table.add_column('from scratch' if scratch else name)
        scores = [self.record.steps[f'{x} scores']['scores'] for x in arms]
        for key in scores[0]:
            table.add_row(
                key, *(f'{x.get(key, float("nan")):.4g}' for x in scores)
            )
        self.console.print(table)
        work_dir = self.order.work_dir
        self.console.print(
            f'Time: {format_duration(self.record.seconds)}\n'
            f'Config: {work_dir / task}.py\n'
            f'Checkpoint: {work_dir / self.record.content["checkpoint"]}\n'
            f'Next: convmae-mm predict {work_dir} NEW_PICTURES',
            highlight=False,
        )


def _in_words(line: ProgressLine) -> str:
    text = f'{line.phase} {line.done}/{line.total}'
    text += f', {format_duration(line.eta_seconds)} to go'
    return text if line.loss is None else f'{text}, loss {line.loss:.3f}'


def _check_same(order: Run, record: RunFile) -> None:
    old, new = record.content.get('key'), json.loads(json.dumps(order.key()))
    if old is None or old == new:
        return
    changed = [name for name in new if new[name] != old.get(name)]
    raise ConfigError(
        f'{order.work_dir} holds a run with other {" and ".join(changed)}, '
        f'such as {old.get(changed[0])}: choose another --work-dir'
    )
