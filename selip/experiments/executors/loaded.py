"""The part of the process that workers are forked from: it has loaded what a run needs, and ends with its parent."""

from __future__ import annotations

import ctypes
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1  # of Linux' prctl

if sys.platform == "linux":  # a parent that is gone by now is noticed after loading
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)

import selip.experiments.experiment  # noqa: E402, F401 (loading takes long: the parent may end meanwhile)
