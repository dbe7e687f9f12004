"""Tests run side by side, one a core: libraries of linear algebra get one thread each."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
