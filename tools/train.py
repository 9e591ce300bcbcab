"""The same as ``convmae-mm train``, for torchrun and for habit."""

import sys

from convmae_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
