"""Arrays out of files: npz by name, csv by column. All that can be wrong with a file is a ModelError of one line."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.errors import ModelError
from symbackprop.frontend.atoms import name_of


def read_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """All arrays of an npz file by name. Raises ModelError."""
    place = Path(path)
    if not place.is_file():
        raise ModelError(f"there is no file {place}")
    if not zipfile.is_zipfile(place):
        raise ModelError(f"{place} is no npz file, or not a whole one")
    try:
        with np.load(place, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{place} cannot be read: {error}") from error


def read_data(path: Path, symbols: Sequence[Any]) -> dict[Any, Any]:
    """Arrays by symbol, out of an npz file by name or a csv file by column.

    In a csv file, whose first line names the columns (perhaps after a #), an array with columns X takes all that are
    called X_1, X_2, ... by their numbers, or X alone; columns that no symbol asks for may hold anything. Raises
    ModelError.
    """
    if path.suffix not in (".npz", ".csv"):
        raise ModelError(f"{path}: data come from a .csv or a .npz file")
    if path.suffix == ".csv":
        return _columns(path, symbols)
    arrays = read_npz(path)
    lost = [name_of(symbol) for symbol in symbols if name_of(symbol) not in arrays]
    if lost:
        raise ModelError(f"{path} has no array {', '.join(map(repr, lost))}; it has {', '.join(sorted(arrays))}")
    return {symbol: arrays[name_of(symbol)] for symbol in symbols}


def _columns(path: Path, symbols: Sequence[Any]) -> dict[Any, Any]:
    rows = _rows(path)
    # numpy.savetxt begins the line of names with "# ".
    head = [name.strip() for name in [rows[0][1][0].removeprefix("#"), *rows[0][1][1:]]]
    for line, row in rows[1:]:
        if len(row) != len(head):
            raise ModelError(f"{path}, line {line}: {len(row)} entries, where the first line names {len(head)} columns")
    found = {}
    for symbol in symbols:
        matrix = len(getattr(symbol, "shape", None) or ()) > 1
        own = _own(path, head, name_of(symbol), matrix)
        table = np.array([[_number(path, line, head[k], row[k]) for k in own] for line, row in rows[1:]])
        table = table.reshape(len(rows) - 1, len(own))
        found[symbol] = table if matrix else table[:, 0]
    return found


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers; without the mark that Excel puts before the first."""
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not rows:
        raise ModelError(f"{path} is empty; its first line names the columns")
    return rows


def _own(path: Path, head: list[str], name: str, matrix: bool) -> list[int]:
    """The places of the columns of one array: of its name, or of a matrix by number. x_err is none of x."""
    own = [k for k, column in enumerate(head) if column == name]
    if matrix and not own:
        numbers = {k: column.removeprefix(f"{name}_") for k, column in enumerate(head) if column.startswith(f"{name}_")}
        own = sorted((k for k, end in numbers.items() if end.isdecimal()), key=lambda k: int(numbers[k]))
    if not own:
        wanted = f"{name} or {name}_1" if matrix else name
        raise ModelError(
            f"{path} has no column {wanted}; the first line, of names with commas between, has {', '.join(head)}"
        )
    twice = [head[k] for k in own if head.count(head[k]) > 1]
    if twice:
        raise ModelError(f"{path} names {head.count(twice[0])} columns {twice[0]}; one array takes one of them")
    return own


def _number(path: Path, line: int, column: str, entry: str) -> float:
    try:
        return float(entry)
    except ValueError:
        raise ModelError(f"{path}, line {line}: column {column} has {entry!r}, where a number is due") from None
