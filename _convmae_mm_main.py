"""Entry point of the command ``convmae-mm``.

Top-level, because ``import convmae_mm`` imports torch and mmcv: the doctor
must run where these are missing or broken, and help should not wait for them.
"""

from __future__ import annotations

import importlib.util
import sys

WITHOUT_PACKAGE = ('doctor', '--help', '-h', '--version')


def main() -> int:
    """Run ``convmae_mm.cli.main`` on the arguments of the process."""
    if not sys.argv[1:] or sys.argv[1] in WITHOUT_PACKAGE:
        _provide_bare_package()
    try:
        from convmae_mm.cli import main as run
    except (ImportError, OSError) as error:
        print(
            f'convmae_mm cannot be imported: {error}\n'
            '`convmae-mm doctor` says what is wrong and how to mend it.',
            file=sys.stderr,
        )
        return 1
    return run()


def _provide_bare_package() -> None:
    # Submodules can be imported from a package whose __init__ never ran.
    spec = importlib.util.find_spec('convmae_mm')
    if spec is not None:
        sys.modules['convmae_mm'] = importlib.util.module_from_spec(spec)


if __name__ == '__main__':
    sys.exit(main())
