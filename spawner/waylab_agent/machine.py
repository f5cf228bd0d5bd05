"""What this machine is doing, in the terms of ClearML's worker reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pynvml

_MIB = 1 << 20
_GIB = 1 << 30


class Machine:
    """Reads the machine's load; rates are means since the reading before."""

    def __init__(self, disk: Path) -> None:
        """Look for NVML once; `disk` is a folder on the disk to watch."""
        self._disk = disk
        psutil.cpu_percent(percpu=True)
        try:
            pynvml.nvmlInit()
            self._nvml = True
        except pynvml.NVMLError:
            self._nvml = False

    def statistics(self) -> dict[str, Any]:
        """Give the values that every worker of the machine reports."""
        memory = psutil.virtual_memory()
        return {
            "cpu_usage": psutil.cpu_percent(percpu=True),
            "memory_used": memory.used / _MIB,
            "memory_free": memory.available / _MIB,
            "disk_free_home": psutil.disk_usage(str(self._disk)).free / _GIB,
        }

    def devices(self, uuids: Sequence[str]) -> dict[str, Any]:
        """Give the values of the named GPUs; none where NVML does not answer."""
        if not self._nvml or not uuids:
            return {}
        try:
            handles = [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            memory = [pynvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
            rates = [pynvml.nvmlDeviceGetUtilizationRates(h) for h in handles]
            heat = [
                pynvml.nvmlDeviceGetTemperature(h, pynvml.NVML_TEMPERATURE_GPU)
                for h in handles
            ]
        except pynvml.NVMLError:
            return {}
        return {
            "gpu_usage": [float(rate.gpu) for rate in rates],
            "gpu_memory_used": [info.used / _MIB for info in memory],
            "gpu_memory_free": [info.free / _MIB for info in memory],
            "gpu_temperature": [float(degrees) for degrees in heat],
        }
