"""What is installed, and what is wrong with it.

Nothing here may fail because something else is missing or broken: to say so
is its purpose. So it imports the standard library, and packaging if present.
"""

from .diagnosis import diagnose
from .facts import Facts, collect_facts, installed_versions
from .finding import Finding
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
