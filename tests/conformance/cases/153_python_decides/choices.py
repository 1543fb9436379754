"""What the tasks beside this file call."""

import os


def choose(way):
    return way


def third_time(run_id):
    path = os.path.join(os.environ["UPDRAFT_HOME"], run_id + ".looks")
    with open(path, "a", encoding="utf-8") as file:
        file.write(".")
    return os.path.getsize(path) >= 3
