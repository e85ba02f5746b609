"""Machine code kept on disk, so that a second process starts without compiling.

A file holds the object code of one module, under a name that is the hash of all that it depends on: the text, the
processor, the versions. It is written aside and renamed, the first writer wins, and none is ever written again. What is
read must be a plain file of this user in a folder of this user that nobody else may write to, and end with the hash
of its content; anything else counts as not there, and the code is made anew. Nothing here raises: without a folder that
serves there is no cache, and all works.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from symbackprop.version import __version__

_LAYOUT = "1"
"""Changes where files of before must not be read."""
VARIABLE = "SYMBACKPROP_CACHE"
"""The environment variable that names another folder; empty, it turns the cache off."""
_DIGEST = hashlib.sha256().digest_size


def key_of(text: str, processor: str) -> str:
    """The name of the code that this text has on this processor."""
    import llvmlite

    parts = (_LAYOUT, __version__, llvmlite.__version__, processor, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def load(key: str) -> bytes | None:
    """The code of this name, or None."""
    folder = _folder(os.environ.get(VARIABLE))
    if folder is None:
        return None
    try:
        descriptor = os.open(folder / key, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not _is_ours(os.fstat(file.fileno()), stat.S_ISREG):
                return None
            content = file.read()
    except OSError:
        return None
    code, digest = content[:-_DIGEST], content[-_DIGEST:]
    return code if code and digest == _digest(key, code) else None


def store(key: str, code: bytes) -> None:
    """Keep code under its name, if there is a folder for it."""
    folder = _folder(os.environ.get(VARIABLE))
    if folder is None:
        return
    with contextlib.suppress(OSError):
        descriptor, aside = tempfile.mkstemp(dir=folder, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(code + _digest(key, code))
            _place(aside, folder / key)
        finally:
            with contextlib.suppress(OSError):
                Path(aside).unlink()


def _place(aside: str, target: Path) -> None:
    """Give a finished file its name. One that is there already stays, unless it is of no use."""
    try:
        os.link(aside, target)
    except FileExistsError:
        if load(target.name) is None:
            Path(aside).replace(target)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


@cache
def _folder(named: str | None) -> Path | None:
    """The folder, made if need be; None where it is not this user's alone."""
    if named == "":
        return None
    try:
        if named is None:
            from platformdirs import user_cache_path

            folder = user_cache_path("symbackprop", appauthor=False) / "code"
        else:
            folder = Path(named)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_ours(os.lstat(folder), stat.S_ISDIR) else None
    except (OSError, RuntimeError):
        return None


def _is_ours(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether this is of the kind that is wanted, of this user, and nobody else may write to it."""
    if not hasattr(os, "getuid"):
        return is_kind(status.st_mode)
    return is_kind(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
