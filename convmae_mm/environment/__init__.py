"""What is installed, and what is wrong with it.

Standard library only, and nothing here may fail because something else is
missing or broken: to say so is its purpose.
"""

from .diagnosis import Finding, diagnose
from .facts import Facts, collect_facts, installed_versions
from .lines import (
    LINES,
    MAINTAINED,
    ORIGINAL,
    OpenMMLabLine,
    compile_mmcv_command,
)

__all__ = [
    'LINES',
    'MAINTAINED',
    'ORIGINAL',
    'Facts',
    'Finding',
    'OpenMMLabLine',
    'collect_facts',
    'compile_mmcv_command',
    'diagnose',
    'installed_versions',
]
