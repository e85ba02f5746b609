"""Importing this, before other libraries, keeps a benchmark, and what it starts, on one core and in one thread.

Asking is not enough: with ``--xla_cpu_multi_thread_eigen=false`` JAX 0.10 still takes two cores for 128 x 784 by
784 x 128 (125 us, in which the process was at work for 233). Who imports a benchmark and runs something else, as the
tests do that look for examples in it, keeps its cores.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if Path(getattr(sys.modules["__main__"], "__file__", None) or "").resolve().parent == Path(__file__).resolve().parent:
    for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[_variable] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
