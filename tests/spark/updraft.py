"""The binary, and how its answers are held against Spark's."""

import json
import math
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Updraft:
    """The binary, at work in a folder, with a home of its own there."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = {**os.environ, "UPDRAFT_HOME": str(folder / "home")}

    def run(self, *words):
        done = subprocess.run(
            [self.binary, *words], env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError((done.stderr or done.stdout).strip())
        return done.stdout


def is_same(mine, theirs):
    """Whether two values are the same, doubles but for their last digits."""
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(is_same, mine, theirs))
    if isinstance(mine, (int, float)) and isinstance(theirs, (int, float)) and not isinstance(mine, bool):
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return mine == theirs


def difference(name, mine, theirs):
    """What differs first, or nothing."""
    if len(mine) != len(theirs):
        return f"{name}: {len(mine)} rows, Spark has {len(theirs)}"
    for at, (my, their) in enumerate(zip(mine, theirs)):
        if not is_same(my, their):
            return f"{name}: row {at}\n  Updraft: {json.dumps(my, ensure_ascii=False)}\n  Spark:   {json.dumps(their, ensure_ascii=False)}"
    return None
