"""What a user can mend: one family of exceptions.

The message of each is one line (or a list of findings, one line each) that
carries the value at fault and the way out. The command line shows it without
a traceback; anything else is a fault of the program.
"""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend."""


class ConfigError(UserError, ValueError):
    """A setting or an option that cannot act, or contradicts another."""


class DataError(UserError, ValueError):
    """Pictures or annotations that are missing, damaged or contradictory."""


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be used."""


class DiskError(UserError, OSError):
    """A file or a folder that cannot be written."""
