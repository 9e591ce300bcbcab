"""The same as ``convmae-mm test``, for torchrun and for habit."""

import sys

from convmae_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
