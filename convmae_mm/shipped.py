"""The configs that come with the package."""

from __future__ import annotations

from pathlib import Path


def find_config(name: str | Path) -> Path:
    """A shipped config, in the repository or inside the package.

    Args:
        name: Path of the file inside ``configs/``.

    Raises:
        FileNotFoundError: If it is in neither place.
    """
    package = Path(__file__).resolve().parent
    places = [
        root / 'configs' / name for root in (package.parent, package / '.mim')
    ]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f'config {name} is neither {places[0]} nor {places[1]}'
    )
