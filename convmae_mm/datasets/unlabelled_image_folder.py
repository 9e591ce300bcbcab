"""Pictures without labels, for pretraining."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from rich.progress import track

from convmae_mm.errors import ConfigError
from convmae_mm.registry import DATASETS

from .image_files import (
    IMAGE_EXTENSIONS,
    check_extensions,
    find_by_pattern,
    find_in_folder,
    read_list,
)
from .load_multi_channel_image import LoadMultiChannelImage, read_channels
from .load_rgb_image import UndecodableImageError, read_rgb

_VERIFY_THREADS = 4
_LISTED_BAD_FILES = 50


class TooManyBadImagesError(RuntimeError):
    """More files cannot be decoded than ``max_bad_fraction`` permits."""


def _why_undecodable(
    path: str, read: Callable[[str], Any] = read_rgb
) -> str | None:
    """What is wrong with a file, None if it decodes."""
    try:
        read(path)
    except UndecodableImageError as error:
        return str(error)
    return None


@DATASETS.register_module()
class UnlabelledImageFolder(BaseDataset):
    """Pictures from a folder, a pattern or a list; no labels.

    The folder is ``data_root`` joined with ``data_prefix``. Without
    ``pattern`` and ``ann_file`` all pictures in it and below are taken,
    sorted by path; symbolic links are followed, names that begin with a dot
    passed over. The pipeline gets ``dict(img_path=..., sample_idx=...)`` and
    begins with a loading transform, ``convmae_mm.LoadRGBImage`` or another.

    **Bad files.** When the pipeline fails on a file and the file cannot be
    decoded completely, it is a bad file: it is named in one warning, counted
    and from then on replaced by the next good file in the data set's order,
    so that the same files give the same samples. Any other failure is
    raised as it is. Different bad files met so far are counted over all
    workers of a data loader and all epochs of one process (each process of
    a distributed run counts its own); once they are more than
    ``max_bad_fraction`` of all files, ``TooManyBadImagesError`` stops the
    training and lists them. With ``verify=True`` every file is decoded and
    judged once before training starts.

    Args:
        data_root: folder that ``data_prefix`` and ``ann_file`` are relative
            to.
        data_prefix: ``dict(img_path=folder)`` or the folder itself.
        pattern: one or more patterns relative to the folder, such as
            ``'*/photos/**/*.jpg'``; ``**`` means any number of folders.
        ann_file: text file with one path a line, relative to the folder, or
            to the list's own folder if neither ``data_root`` nor
            ``data_prefix`` is given. Its order is kept and ``extensions``
            does not apply.
        extensions: files to take, with the dot; case does not matter.
        max_bad_fraction: of all files, how many may be bad, 0 to 1.
        verify: decode all files before training; takes about as long as an
            epoch of loading.
        pipeline: transforms.
        metainfo: as in mmengine's ``BaseDataset``.
        indices: take only the first so many, or these, of the files.
        serialize_data: keep the paths in one array that workers share.
        test_mode: as in mmengine's ``BaseDataset``.
        lazy_init: look for files on first use only.

    Raises:
        FileNotFoundError: no picture was found; says where and what was
            looked for.
        TooManyBadImagesError: see above.
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: str | dict[str, str] = '',
        pattern: str | Sequence[str] | None = None,
        ann_file: str = '',
        extensions: Sequence[str] = IMAGE_EXTENSIONS,
        max_bad_fraction: float = 0.01,
        verify: bool = False,
        pipeline: Sequence[dict[str, Any] | Callable] = (),
        metainfo: dict[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if isinstance(data_prefix, str):
            data_prefix = {'img_path': data_prefix}
        if data_prefix.keys() != {'img_path'}:
            raise ConfigError(
                f'{data_prefix=} must be a folder or dict(img_path=folder)'
            )
        if pattern is not None and ann_file:
            raise ConfigError(
                f'{pattern=} and {ann_file=} exclude each other: files come '
                'from a pattern or from a list'
            )
        if not 0 <= max_bad_fraction <= 1:
            raise ConfigError(f'{max_bad_fraction=} must be from 0 to 1')
        self.patterns = [pattern] if isinstance(pattern, str) else pattern
        self.extensions = check_extensions(extensions)
        self.max_bad_fraction = max_bad_fraction
        self.verify = verify
        self._list_is_anchor = not (data_root or data_prefix['img_path'])
        super().__init__(
            ann_file=ann_file,
            metainfo=metainfo,
            data_root=data_root,
            data_prefix=data_prefix,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Find the files."""
        folder = Path(self.data_prefix['img_path'])
        if self.ann_file:
            list_file = Path(self.ann_file)
            anchor = list_file.parent if self._list_is_anchor else folder
            paths = read_list(list_file, anchor)
        elif self.patterns is not None:
            paths = find_by_pattern(folder, self.patterns, self.extensions)
        else:
            paths = find_in_folder(folder, self.extensions)
        return [{'img_path': path} for path in paths]

    def full_init(self) -> None:
        """Find the files and, if asked to, decode each once."""
        if self._fully_initialized:
            return
        super().full_init()
        self._forget_bad_files()
        if self.verify:
            self._verify_all()

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """As in ``BaseDataset``; the subset counts bad files anew."""
        super().get_subset_(indices)
        self._forget_bad_files()

    def get_subset(
        self, indices: int | Sequence[int]
    ) -> UnlabelledImageFolder:
        """As in ``BaseDataset``; the subset counts bad files anew."""
        subset = super().get_subset(indices)
        subset._forget_bad_files()
        return subset

    @property
    @force_full_init
    def bad_files(self) -> list[str]:
        """Files found to be bad so far, in the data set's order."""
        return [
            self.get_data_info(int(index))['img_path']
            for index in self._is_bad.nonzero()
        ]

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on a sample, or on the next good one."""
        for step in range(len(self)):
            candidate = (idx + step) % len(self)
            if self._is_bad[candidate]:
                continue
            try:
                return super().prepare_data(candidate)
            except UndecodableImageError as error:
                # The loading transform's own judgement.
                reason = str(error)
            except Exception:
                path = self.get_data_info(candidate)['img_path']
                why = _why_undecodable(path, self._read)
                if why is None:
                    raise
                reason = why
            self._add_bad_file(candidate, reason)
        raise TooManyBadImagesError(
            f'none of the {len(self)} files can be decoded, '
            f'{self.bad_files[0]} for one'
        )

    @property
    def _read(self) -> Callable[[str], Any]:
        """What tells whether a file decodes: as the pipeline reads it."""
        # Arrays and pictures of many channels are no RGB, and not bad.
        transforms = self.pipeline.transforms
        many = any(isinstance(x, LoadMultiChannelImage) for x in transforms)
        return read_channels if many else read_rgb

    def _forget_bad_files(self) -> None:
        # One byte a file, in memory that forked and spawned workers share
        # with this process. Each byte only ever goes from 0 to 1, so no lock
        # is needed and a file met twice counts once.
        self._is_bad = torch.zeros(len(self), dtype=torch.uint8)
        self._is_bad.share_memory_()

    def _add_bad_file(self, index: int, reason: str) -> None:
        """Name a bad file and stop if there are too many."""
        self._is_bad[index] = 1
        count, total = int(self._is_bad.count_nonzero()), len(self)
        print_log(
            f'skipped bad file {count} of {total}: {reason}',
            logger='current',
            level=logging.WARNING,
        )
        if count > self.max_bad_fraction * total:
            raise TooManyBadImagesError(self._bad_file_report(count))

    def _bad_file_report(self, count: int) -> str:
        names = self.bad_files
        shown = '\n'.join(f'  {name}' for name in names[:_LISTED_BAD_FILES])
        more = len(names) - _LISTED_BAD_FILES
        return (
            f'{count} of {len(self)} files cannot be decoded, more than '
            f'max_bad_fraction={self.max_bad_fraction} permits. Mend or '
            'remove these, or raise max_bad_fraction:\n'
            + shown
            + (f'\n  and {more} more' if more > 0 else '')
        )

    def _verify_all(self) -> None:
        """Decode every file, mark the bad ones, then judge."""
        paths = [
            self.get_data_info(index)['img_path'] for index in range(len(self))
        ]
        with ThreadPoolExecutor(_VERIFY_THREADS) as pool:
            reasons = track(
                pool.map(partial(_why_undecodable, read=self._read), paths),
                description='verifying pictures',
                total=len(paths),
                disable=not is_main_process(),
            )
            bad = [
                (index, reason)
                for index, reason in enumerate(reasons)
                if reason is not None
            ]
        for index, reason in bad:
            self._is_bad[index] = 1
            print_log(
                f'bad file, will be skipped: {reason}',
                logger='current',
                level=logging.WARNING,
            )
        if len(bad) > self.max_bad_fraction * len(self):
            raise TooManyBadImagesError(self._bad_file_report(len(bad)))
