# SPDX-License-Identifier: Apache-2.0
"""Runs llmserve, as it was built."""
import os, subprocess, sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
import harness

PROGRAM = os.path.join(harness.BUILD, "llmserve")
DEADLINE = 120  # seconds: far beyond what anything here takes


def tool(*args, text="", env=None, status=0, **more):
    """What it writes to standard output; the rest in .err and .status."""
    r = subprocess.run([PROGRAM, *map(str, args)], input=text, capture_output=True, text=True, timeout=DEADLINE, env={**os.environ, **(env or {})}, **more)
    if status is not None and r.returncode != status:
        raise AssertionError(f"{args}: status {r.returncode}, not {status}\n{r.stdout}{r.stderr}")
    out = Output(r.stdout)
    out.err, out.status = r.stderr, r.returncode
    return out


class Output(str):
    pass
