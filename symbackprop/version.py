"""The package's version, which emitted headers name."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("symbackprop")
except PackageNotFoundError:  # pragma: no cover - a source tree that was never installed
    __version__ = "unknown"
