"""Runs a process and says what it took."""

import os
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Run:
    status: int
    output: str
    messages: str
    seconds: float
    peak_bytes: int


def run(command, folder):
    """The caller must be small: until it is replaced by the program, a new process counts its parent's pages as its own."""
    with open(f"{folder}/output", "w+") as output, open(f"{folder}/messages", "w+") as messages:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=messages, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        messages.seek(0)
        unit = 1 if os.uname().sysname == "Darwin" else 1_024
        return Run(process.returncode, output.read(), messages.read(), seconds, usage.ru_maxrss * unit)

