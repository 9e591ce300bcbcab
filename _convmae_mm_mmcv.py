"""Supplies ``mmcv._ext`` when, and only when, mmcv has no compiled ops.

mmcv installed without a compiler has no ``mmcv._ext``, and mmdet then fails
at import. :func:`install` adds a finder at the end of ``sys.meta_path``, so
that it is asked only for what nothing else can find; it answers for
``mmcv._ext`` alone.

This module is top-level and imports ``sys`` only, because a ``.pth`` file
runs :func:`install` whenever Python starts: mmdet must import in a process
that never imports convmae_mm. The ops are in ``convmae_mm.ops.mmcv_ops``,
which is imported when the first one is called.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

NAME = 'mmcv._ext'


class SubstituteFinder:
    """Finds ``mmcv._ext`` for mmcv installations that lack it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The spec of the substitute for ``mmcv._ext``, else None.

        A finder that was added behind this one is asked first: whatever else
        has a compiled ``mmcv._ext`` keeps it.
        """
        if fullname != NAME:
            return None
        place = sys.meta_path.index(self)
        for finder in sys.meta_path[place + 1 :]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
        from importlib.machinery import ModuleSpec

        # A loader need not derive from importlib.abc.Loader, which costs.
        return ModuleSpec(
            fullname,
            SubstituteLoader(),  # type: ignore[arg-type]
            origin='convmae_mm.ops.mmcv_ops',
        )


class SubstituteLoader:
    """Fills ``mmcv._ext`` with ops that are looked up when called."""

    def create_module(self, spec: ModuleSpec) -> None:
        """None: the import system makes the usual module."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its ops and log, once, that they substitute."""
        module.__doc__ = 'mmcv ops from torchvision, by convmae_mm.'
        module.__dict__['__getattr__'] = _make_op
        from mmengine.logging import print_log

        print_log(
            'mmcv has no compiled ops: convmae_mm supplies what mmdet, mmseg '
            'and mmpretrain need of them from torchvision.',
            logger='current',
        )


def _make_op(name: str) -> Callable[..., Any]:
    # mmcv asserts at import that every op it may ever use exists.
    if name.startswith('_'):
        raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

    def op(*args: Any, **kwargs: Any) -> Any:
        from convmae_mm.ops.mmcv_ops import get_op

        return get_op(name)(*args, **kwargs)

    op.__name__ = op.__qualname__ = name
    op.__module__ = NAME
    return op


def install() -> None:
    """Add the finder to ``sys.meta_path`` unless it is there."""
    if not any(type(x) is SubstituteFinder for x in sys.meta_path):
        sys.meta_path.append(SubstituteFinder())
