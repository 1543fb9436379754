"""Functions that the case calls."""

import sys

import updraft


def double(n):
    return 2 * n


def of_context(seen, dag_run, params, task):
    assert (seen, dag_run.run_type, params, task.task_id) == ("42", "manual", {}, "by_context"), seen


def typed(items, number, text, day):
    assert (items, number, text, day) == ([1, {"a": None}], 42, "42", "x2"), (items, number, text, day)


def skips():
    raise updraft.Skip("nothing to do")


def fails():
    raise ValueError("never")


if __name__ == "__main__":
    updraft.xcom_push("seen", sys.argv[1])
