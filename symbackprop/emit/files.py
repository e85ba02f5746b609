"""Files are written aside and renamed: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from symbackprop.errors import EmitError


def write_atomically(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` to `path` as UTF-8 with Unix line ends. Raises EmitError, leaving what was there untouched."""
    target = Path(path)
    if target.is_dir():
        raise EmitError(f"cannot write {target}: it is a folder; name a file in it")
    if not target.parent.is_dir():
        raise EmitError(f"cannot write {target}: there is no folder {target.parent}; create it first")
    aside = None
    try:
        # A link is followed, so that what it points to is replaced and not the link.
        place = target.resolve()
        descriptor, aside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=place.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mode = place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~_umask()
        Path(aside).chmod(mode)
        Path(aside).replace(place)
    except OSError as error:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
        raise EmitError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
