"""What a check of a data set looks at, and what it has found."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from rich import progress as bars
from rich.console import Console

from convmae_mm.errors import ConfigError

Item = TypeVar('Item', bound=Hashable)
Result = TypeVar('Result')
Severity = Literal['error', 'warning']

# Enough to recognise a pattern in file names, few enough for one line.
NUM_EXAMPLES = 5


@dataclass(frozen=True)
class Fault:
    """One kind of thing that is wrong in one part of a data set.

    Attributes:
        code: Its name for machines, such as 'image-missing'.
        severity: 'error' if a training would fail or be another than the
            recipe's, 'warning' if it would quietly make do.
        part: The part of the data set, such as 'train2017'.
        problem: What is wrong, one line, with numbers.
        remedy: What to do about it, one line.
        count: How often it was met among what was examined.
        examples: The first few places where it was met.
    """

    code: str
    severity: Severity
    part: str
    problem: str
    remedy: str
    count: int
    examples: tuple[str, ...]

    @property
    def line(self) -> str:
        """All of it in one line."""
        examples = '; '.join(self.examples[:3])
        more = ', ...' if self.count > 3 else ''
        seen = f' [{examples}{more}]' if examples else ''
        return f'{self.part}: {self.problem}{seen}. {self.remedy}'


@dataclass(frozen=True)
class Examined:
    """How much of something was looked at.

    Attributes:
        part: The part of the data set.
        what: What was looked at, such as 'pictures decoded'.
        done: How many.
        total: Of how many.
    """

    part: str
    what: str
    done: int
    total: int


@dataclass
class Report:
    """Everything a check has found.

    Attributes:
        root: The folder that was checked.
        layout: The name of its layout.
        faults: In the order of the parts.
        examined: What was looked at; what is not here was not looked at.
        facts: Counts of each part, by its name.
    """

    root: str
    layout: str
    faults: list[Fault] = field(default_factory=list)
    examined: list[Examined] = field(default_factory=list)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def num_errors(self) -> int:
        """How many of the faults are errors."""
        return sum(fault.severity == 'error' for fault in self.faults)

    def as_json(self) -> dict[str, Any]:
        """Everything, in types that JSON has."""
        return {'ok': not self.num_errors, **asdict(self)}


@dataclass(frozen=True)
class Examiner:
    """Chooses which files to open and opens them.

    Attributes:
        sample: How many files of each part to open at most; None for all.
        seed: Decides which ones.
        workers: Threads; decoding releases the interpreter's lock.
        progress: Show progress on the error stream.
        decode: Decode pictures; otherwise only their headers are read.
    """

    sample: int | None = 500
    seed: int = 0
    workers: int = 4
    progress: bool = True
    decode: bool = True

    def __post_init__(self) -> None:
        """Refuse what would open nothing."""
        sample, workers = self.sample, self.workers
        if sample is not None and sample < 1:
            raise ConfigError(
                f'{sample=} must be at least 1, or None for all files'
            )
        if workers < 1:
            raise ConfigError(f'{workers=} must be at least 1')

    def choose(self, items: Sequence[Item]) -> list[Item]:
        """The items to look at, in their order; the same for every call."""
        if self.sample is None or len(items) <= self.sample:
            return list(items)
        chosen = random.Random(self.seed).sample(
            range(len(items)), self.sample
        )
        return [items[index] for index in sorted(chosen)]

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        description: str,
    ) -> dict[Item, Result]:
        """``function`` of each item, in their order."""
        bar = bars.Progress(
            '{task.description}',
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(),
            # The error stream: what goes to the other one may be JSON.
            console=Console(stderr=True),
            disable=not self.progress,
        )
        with bar, ThreadPoolExecutor(self.workers) as pool:
            results = zip(items, pool.map(function, items), strict=True)
            return dict(
                bar.track(results, len(items), description=description)
            )


@dataclass(frozen=True)
class Notes:
    """What is written about one part of a data set.

    Attributes:
        report: Where it is written.
        part: Its name there.
        examiner: How closely to look at files.
    """

    report: Report
    part: str
    examiner: Examiner = field(default_factory=Examiner)

    def error(
        self,
        code: str,
        problem: str,
        remedy: str,
        found: Sequence[Any] | None = None,
        severity: Severity = 'error',
    ) -> None:
        """Note a fault, unless it was met nowhere.

        Args:
            code: See :class:`Fault`.
            problem: See :class:`Fault`; ``{count}`` stands for the number.
            remedy: See :class:`Fault`.
            found: Every place where it was met; None for a fault that is met
                once and needs no place.
            severity: See :class:`Fault`.
        """
        if found is not None and not len(found):
            return
        count = 1 if found is None else len(found)
        self.report.faults.append(
            Fault(
                code,
                severity,
                self.part,
                problem.replace('{count}', f'{count:,}'),
                remedy,
                count,
                tuple(map(str, (found or ())[:NUM_EXAMPLES])),
            )
        )

    def warning(
        self,
        code: str,
        problem: str,
        remedy: str,
        found: Sequence[Any] | None = None,
    ) -> None:
        """The same for what is only unusual."""
        self.error(code, problem, remedy, found, 'warning')

    def count(self, **counts: int) -> None:
        """Add counts to the facts of the part."""
        self.report.facts.setdefault(self.part, {}).update(counts)

    def look(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        what: str,
        done: str,
    ) -> dict[Item, Result]:
        """``function`` of all items or of a sample, and how many it was of.

        Args:
            function: Opens a file.
            items: Its arguments.
            what: They are, for the progress.
            done: With them, for the report.
        """
        chosen = self.examiner.choose(items)
        found = self.examiner.map(function, chosen, f'{self.part}: {what}')
        self.report.examined.append(
            Examined(self.part, done, len(chosen), len(items))
        )
        return found


class Part(Protocol):
    """A part of a data set that can be checked by itself."""

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
