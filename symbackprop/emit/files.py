"""Files are written aside and renamed: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from symbackprop.errors import EmitError


def write_atomically(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` to `path` as UTF-8 with Unix line ends. Raises EmitError, leaving what was there untouched."""
    return replace_atomically(path, lambda stream: stream.write(text.encode("utf-8")))


def replace_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> Path:
    """Let `write` fill a file that then is at `path`. Raises EmitError, leaving what was there untouched."""
    target = writable(path)
    # A link is followed, so that what it points to is replaced and not the link.
    place = target.resolve()
    if place.exists() and not place.is_file():
        raise EmitError(f"cannot write {target}: it is no ordinary file; name another one")
    aside = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if place.exists():
            aside.chmod(place.stat().st_mode & 0o777)
        aside.replace(place)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise EmitError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def writable(path: str | os.PathLike[str]) -> Path:
    """Where a file can be put, asked before work is done for it. Raises EmitError for a folder, or where none is."""
    target = Path(path)
    if target.is_dir():
        raise EmitError(f"cannot write {target}: it is a folder; name a file in it")
    if not target.parent.is_dir():
        raise EmitError(f"cannot write {target}: there is no folder {target.parent}; create it first")
    return target
