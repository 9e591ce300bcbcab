"""The steps of a run: a config, a training and its scores, one by one."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from convmae_mm.apis.load import find_checkpoint
from convmae_mm.errors import ConfigError

from .board import Board
from .data import Data
from .machine import Machine
from .new import new_command, shown, train_command, write_config
from .order import ENCODER, Run
from .process import Commands
from .record import RunFile

# On a CPU, without another wish; a GPU trains as long as the data suggest.
CPU_MINUTES = 20.0
# Of the time, what pretraining gets; the trainings on labels share the rest.
PRETRAIN_SHARE = 0.3
# Of the time, what a training gets at least once others are done.
LEAST_SHARE = 0.2
START_SECONDS = 15  # to start a command
TIMED_STEPS = 14
WARM_STEPS = 5
# A picture that is scored takes so much of the time of one that is learnt.
SCORED = 0.5
# Beyond so many times the length that the data suggest, nothing is gained.
LONGEST = 4
# A step beside another one, which was timed without.
BESIDE = 1.15
# Of the time, what is planned for; machines have other work too.
PLANNED = 0.95


class Trainings:
    """Runs those of an order that are not done.

    Two trainings side by side, each on half of the cores, get through more
    steps than one after the other on all; with a GPU it is one at a time.

    Args:
        order: What is asked for.
        record: What is done; goes on.
        machine: That runs it.
        board: Where it is shown.
    """

    def __init__(
        self, order: Run, record: RunFile, machine: Machine, board: Board
    ) -> None:
        self.order = order
        self.record = record
        self.machine = machine
        self.board = board
        self.budget = order.minutes
        if self.budget is None and not machine.gpu:
            self.budget = CPU_MINUTES
        self.jobs = 1
        if not machine.gpu:
            self.jobs = min(2, machine.cores, len(order.arms))
        self._threads = None if self.jobs == 1 else machine.cores // self.jobs
        self._commands = Commands()

    def run(self) -> None:
        """Pretrain, train from there and from scratch, score and report.

        Raises:
            UserError: If a step fails; what runs beside it is ended.
        """
        if self.order.pictures is not None:
            self._write(ENCODER)
            self._train(ENCODER, None)
        tasks = [data.task for data in self.order.tasks]
        self._side_by_side(self._write, tasks)
        for name in self.order.arms[len(tasks) :]:
            self._write(name)
        self._side_by_side(self._train_and_score, self.order.arms)
        if self.record.content.get('trainings') != self.order.trainings:
            self.record.forget('report')
        with self.record.step('report') as step:
            if step is not None:
                self.record.update(trainings=self.order.trainings)
                folder = str(self.order.work_dir)
                self._command('report', ['convmae-mm', 'report', folder])

    def _side_by_side(
        self, work: Callable[[str], None], names: Sequence[str]
    ) -> None:
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(work, name) for name in names]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self._commands.stop()
                raise

    def _write(self, name: str) -> None:
        """Write the config of a training."""
        config = self._config(name)
        with self.record.step(config.name) as step:
            if step is None:
                return
            data, encoder = self.order.data_of(name), self._encoder(name)
            step['iters'] = self._iters(name, data, encoder)
            wishes = replace(self.order.wishes, iters=step['iters'])
            command = new_command(data, config, wishes, encoder)
            self.board.say(f'$ {shown(command)}')
            # of a start that was killed before it put this on record
            config.unlink(missing_ok=True)
            write_config(data, config, wishes, encoder)

    def _train_and_score(self, name: str) -> None:
        self._train(name, self._threads)
        with self.record.step(f'{name} scores') as step:
            if step is not None:
                step['scores'] = self._score(name)

    def _train(self, name: str, threads: int | None) -> None:
        folder = self.order.work_dir / name
        with self.record.step(name) as step:
            if step is None:
                return
            command = train_command(self._config(name), folder, self.machine)
            if self.order.log is not None:
                command += ['--log', self.order.log]
            self._command(name, command, threads)
            step['checkpoint'] = str(find_checkpoint(folder))

    def _config(self, name: str) -> Path:
        return self.order.work_dir / f'{name}.py'

    def _encoder(self, name: str) -> str | None:
        """Where a training starts."""
        if name in self.order.from_scratch:
            return None
        done = self.record.steps.get(ENCODER)
        if name == ENCODER or done is None:
            return self.order.weights
        return str(done['checkpoint'])

    def _iters(self, name: str, data: Data, encoder: str | None) -> int | None:
        """Steps that fit the time; None for what the data suggest."""
        if self.order.wishes.iters is not None:
            return self.order.wishes.iters
        if name in self.order.from_scratch:
            # At the same budget as the other start.
            first = self.record.steps[f'{data.task}.py']['iters']
            return None if first is None else int(first)
        if self.budget is None:
            return None
        before = self.record.seconds
        left = PLANNED * 60 * self.budget - before
        threads = None if name == ENCODER else self._threads
        with tempfile.TemporaryDirectory(prefix='convmae_mm_') as folder:
            config = Path(folder) / 'timed.py'
            write_config(data, config, self.order.wishes, encoder)
            suggested, seconds, scored = self._time(name, config, threads)
        # Large pictures take long to look at, and so do steps of them.
        spent = self.record.seconds - before
        left -= max(0, spent - START_SECONDS)
        if name == ENCODER:
            share = PRETRAIN_SHARE * left
        else:
            rounds = -(-len(self.order.arms) // self.jobs)
            share = (left - START_SECONDS) / rounds - 3 * START_SECONDS
            # once more for the scores, and once for the report
            share -= (self.order.wishes.validations + 2) * scored
            if self.jobs > len(self.order.tasks):
                seconds *= BESIDE
        iters = int(share / seconds)
        if iters < TIMED_STEPS and name != ENCODER and self.record.steps:
            # What was done before took longer than it was timed to, such as
            # on a machine that others use; it is not to be in vain.
            share = LEAST_SHARE * 60 * self.budget
            iters = int(share / seconds)
            self.board.say(
                f'{name}: the time is over, and {share / 60:.1f} minutes more '
                'are taken'
            )
        most = suggested if self.order.minutes is None else LONGEST * suggested
        if iters < TIMED_STEPS:
            raise ConfigError(
                f'{self.budget:g} minutes are too few: {max(0, share):.0f} '
                f'seconds are left for {name}, a step of which takes '
                f'{seconds:.2f} seconds; ask for more with --minutes'
            )
        return min(iters, most)

    def _time(
        self, name: str, config: Path, threads: int | None
    ) -> tuple[int, float, float]:
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
        command += ['--cfg-options', *changes]
        self._command(f'{name}_timing', command, threads)
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

    def _score(self, name: str) -> dict[str, float]:
        folder, config = self.order.work_dir / name, self._config(name)
        checkpoint = find_checkpoint(folder)
        out = folder / 'scores.json'
        command = ['convmae-mm', 'test', str(config), str(checkpoint)]
        command += ['--work-dir', str(folder), '--out', str(out)]
        self._command(f'{name}_scores', command, self._threads)
        scores: dict[str, float] = json.loads(out.read_text('utf-8'))
        if name == self.order.arms[0]:
            self.record.update(
                # below the folder of the run, which may be moved
                config=config.name,
                checkpoint=f'{name}/{checkpoint.name}',
                scores=scores,
            )
        return scores

    def _command(
        self, name: str, command: Sequence[str], threads: int | None = None
    ) -> None:
        """Run one and show how far it is; the rest goes to a file."""
        if not name.endswith('_timing'):
            self.board.say(f'$ {shown(command)}')
        log = self.order.work_dir / 'logs' / f'{name}.log'
        with self.board.follow(name.replace('_', ' ')) as tell:
            self._commands.run(command, log, tell, threads)
