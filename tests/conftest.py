"""Tests run side by side, one a core: libraries of linear algebra get one thread each."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Some virtual machines announce instructions for bfloat16 that they do not have.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
