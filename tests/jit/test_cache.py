"""The cache of machine code: what it serves, and what it must never take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympy as sp

from symbackprop import compile_grad
from symbackprop.errors import JitError
from symbackprop.jit import cache, native

x, y = sp.symbols("x y")
EXPR = sp.exp(x * y) + sp.sin(x) ** 2
POINT = (0.3, 1.7)
HERE = compile_grad(EXPR, [x, y], cache=False)(*POINT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "code"))
    yield tmp_path / "code"
    cache._folder.cache_clear()


def answer(**options: bool) -> list[float]:
    return list(compile_grad(EXPR, [x, y], **options)(*POINT))


def no_compiler(text: str, hasty: bool) -> bytes:
    raise JitError("nothing is compiled here")


def test_the_second_time_nothing_is_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer() == HERE
    (file,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700 and file.stat().st_mode & 0o077 == 0
    before = file.read_bytes(), file.stat().st_mtime_ns
    monkeypatch.setattr(native, "object_code", no_compiler)
    assert answer() == HERE
    assert before == (file.read_bytes(), file.stat().st_mtime_ns)
    with pytest.raises(JitError):
        answer(cache=False)
    with pytest.raises(JitError):
        compile_grad(EXPR + 1, [x, y])(*POINT)


def test_another_process_is_served(folder: Path) -> None:
    assert answer() == HERE
    text = (
        "import sympy as sp\n"
        "from symbackprop import compile_grad\n"
        "from symbackprop.jit import native\n"
        "del native.object_code\n"
        "x, y = sp.symbols('x y')\n"
        "print(compile_grad(sp.exp(x*y) + sp.sin(x)**2, [x, y])(0.3, 1.7))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.stdout.strip() == str(HERE), done.stderr


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[:100] + bytes([content[100] ^ 255]) + content[101:],
        lambda content: b"\x7fELF" + bytes(500),
    ],
    ids=["empty", "cut off", "another hash", "another byte", "another file"],
)
def test_spoilt_files_are_made_anew(folder: Path, spoil: object) -> None:
    assert answer() == HERE
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(spoil(whole))  # type: ignore[operator]
    assert answer() == HERE
    assert file.read_bytes() == whole
    assert list(folder.iterdir()) == [file]


def test_code_under_another_name_is_not_taken(folder: Path) -> None:
    answer()
    (file,) = folder.iterdir()
    compile_grad(EXPR * 2, [x, y])(*POINT)
    other = next(path for path in folder.iterdir() if path != file)
    file.write_bytes(other.read_bytes())
    assert answer() == HERE


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system knows no owners")
class TestWhoseItIs:
    def test_links_are_not_followed(self, folder: Path) -> None:
        answer()
        (file,) = folder.iterdir()
        elsewhere = file.rename(folder.parent / "elsewhere")
        file.symlink_to(elsewhere)
        assert cache.load(file.name) is None
        assert answer() == HERE

    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
    def test_files_that_others_may_write_are_refused(self, folder: Path, mode: int) -> None:
        answer()
        (file,) = folder.iterdir()
        file.chmod(mode)
        assert cache.load(file.name) is None
        assert answer() == HERE

    def test_folders_that_others_may_write_are_refused(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        folder.chmod(0o777)
        assert answer() == HERE
        assert not list(folder.iterdir())

    def test_a_link_is_no_folder(self, folder: Path) -> None:
        (folder.parent / "real").mkdir(mode=0o700)
        folder.symlink_to(folder.parent / "real")
        assert answer() == HERE
        assert not list((folder.parent / "real").iterdir())

    def test_files_of_others_are_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        answer()
        (file,) = folder.iterdir()
        cache._folder.cache_clear()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert cache.load(file.name) is None
        assert answer() == HERE


@pytest.mark.parametrize("place", ["", "/proc/nowhere/at/all", "file"])
def test_without_a_folder_all_works(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "file":
        (tmp_path / "file").write_text("not a folder")
        place = str(tmp_path / "file")
    monkeypatch.setenv(cache.VARIABLE, place)
    assert answer() == HERE
    assert answer() == HERE


RACE = """
import os, sys, threading, time
import sympy as sp
from symbackprop import compile_grad

x, y = sp.symbols("x y")
delay = float(sys.argv[1])
if delay:
    threading.Thread(target=lambda: (time.sleep(delay), os._exit(9)), daemon=True).start()
print([compile_grad(k * sp.exp(x * y) + sp.sin(x) ** 2, [x, y])(0.3, 1.7) for k in range(1, 21)])
"""


def test_processes_that_race_and_die(folder: Path) -> None:
    """Six processes compile the same at once, of which every other one is killed while it does."""
    delays = ["0", "0.05", "0", "0.1", "0", "0.2"]
    running = [
        subprocess.Popen([sys.executable, "-c", RACE, delay], stdout=subprocess.PIPE, text=True, env={**os.environ})
        for delay in delays
    ]
    outputs = [process.communicate()[0].strip() for process in running]
    here = [compile_grad(k * sp.exp(x * y) + sp.sin(x) ** 2, [x, y], cache=False)(*POINT) for k in range(1, 21)]
    assert all(output == str(here) for output, delay in zip(outputs, delays, strict=True) if delay == "0")
    kept = [path for path in folder.iterdir() if not path.name.startswith(".new-")]
    assert len(kept) == 20 and all(cache.load(path.name) for path in kept)
