"""Calls what a task of Updraft asks for: a function, a script or a text.

    python runner.py JOB ANSWER

JOB is a file with what to call, its arguments and the context of the task, as JSON. ANSWER is the file where this program
leaves what came of it, as JSON. Everything else that is printed is the task's log.
"""

import datetime
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
import types

FAILED = 1
FRAMES_OF_OTHERS = ("importlib", "importlib._bootstrap", "importlib._bootstrap_external", "runpy")


class Skip(Exception):
    """The task is skipped."""


class Fail(Exception):
    """The task fails, and is not tried again."""


class Unloadable(Exception):
    """What is to be called is not there, or cannot be loaded."""


class TaskInstance(types.SimpleNamespace):
    """What a task knows of itself (Airflow: `ti`)."""

    def xcom_push(self, key, value, **_ignored):
        """Leaves a value for other tasks."""
        PUSHED[key] = value

    def xcom_pull(self, *_arguments, **_named):
        """Values of other tasks come as arguments."""
        raise Fail(
            "there is no `xcom_pull` here; write `\"{{ ti.xcom_pull('other_task') }}\"` under `op_kwargs` in the DAG file"
        )


class Asset:
    """A piece of data that has a name and a place."""

    def __init__(self, name=None, uri=None, *, group=None, extra=None):
        self.name, self.uri, self.group, self.extra = name, uri, group, extra


class AssetAlias:
    """A name among the outlets under which a task finds assets while it runs."""

    def __init__(self, name, group=None):
        self.name, self.group = name, group


class OutletEvent:
    """What a task says of one of its outlets."""

    def __init__(self, key):
        self.key = key
        self.extra = {}
        self.found = []

    def add(self, asset, extra=None):
        """An asset was found under the alias."""
        self.found.append((asset, extra or {}))

    def told(self):
        """As Updraft reads it."""
        if self.found:
            return [{"alias": self.key, "asset": told_asset(asset), "extra": extra} for asset, extra in self.found]
        return [{"asset": self.key, "extra": self.extra}] if self.extra else []


class OutletEvents:
    """What a task says of its outlets, by asset or alias (Airflow: `outlet_events`)."""

    def __init__(self):
        self.events = {}

    def __getitem__(self, key):
        name = key if isinstance(key, str) else key.name or key.uri
        return self.events.setdefault(name, OutletEvent(name))

    def told(self):
        """As Updraft reads it."""
        return [told for event in self.events.values() for told in event.told()]


def told_asset(asset):
    """An asset as Updraft reads it, whoever's class it is of."""
    if isinstance(asset, str):
        return asset
    fields = {name: getattr(asset, name, None) for name in ("name", "uri", "group", "extra")}
    return {name: value for name, value in fields.items() if value}


PUSHED = {}


def main():
    """Does the job; answers with an exit code."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    answer_path = sys.argv[2]
    sys.path[:1] = job["paths"]
    sys.argv = [job.get("script") or ""] + [str(argument) for argument in job["args"]]
    context = context_of(job)
    offer(job, context)
    try:
        value = called(job, context)
        told = context["outlet_events"].told()
        answer = {"return_value": PUSHED.pop("return_value", value), "xcoms": PUSHED, "outlet_events": told}
        text = json.dumps(answer, default=plain, allow_nan=False)
    except Exception as error:
        if isinstance(error, Skip) or is_called(error, "AirflowSkipException"):
            skipped = {"skip": str(error) or "the function says so", "xcoms": pushed()}
            return leave(answer_path, json.dumps(skipped), 0)
        tell(error)
        may_retry = not isinstance(error, (Fail, Unloadable)) and not is_called(error, "AirflowFailException")
        failed = {"error": last_line(error), "may_retry": may_retry, "xcoms": pushed()}
        return leave(answer_path, json.dumps(failed), FAILED)
    return leave(answer_path, text, 0)


def pushed():
    """What was left before the end, as far as it can be."""
    kept = {}
    for key, value in PUSHED.items():
        try:
            kept[key] = json.loads(json.dumps(value, default=plain, allow_nan=False))
        except Exception:
            continue
    return kept


def leave(path, text, code):
    """Leaves the answer, whole or not at all."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)
    return code


def context_of(job):
    """Airflow's context, as far as it is plain data."""
    facts = job["context"]
    instants = ("logical_date", "data_interval_start", "data_interval_end", "partition_date")
    context = {name: value for name, value in facts.items() if value is not None}
    for name in instants:
        if name in context:
            context[name] = datetime.datetime.fromisoformat(context[name])
    # Runs without a partition are told so.
    for name in ("partition_key", "partition_date"):
        context.setdefault(name, None)
    logical_date = context.get("logical_date")
    if logical_date is not None:
        context["execution_date"] = logical_date
    ids = {name: facts[name] for name in ("dag_id", "task_id", "run_id", "try_number", "map_index")}
    context["ti"] = context["task_instance"] = TaskInstance(**ids)
    context["dag"] = types.SimpleNamespace(dag_id=facts["dag_id"])
    context["task"] = types.SimpleNamespace(task_id=facts["task_id"])
    context["dag_run"] = types.SimpleNamespace(
        dag_id=facts["dag_id"],
        run_id=facts["run_id"],
        run_type=facts["run_type"],
        logical_date=logical_date,
        conf=facts["conf"],
    )
    context["templates_dict"] = job["templates_dict"]
    context["outlet_events"] = OutletEvents()
    return context


def offer(job, context):
    """Makes the module `updraft`, for those who want more than arguments."""
    module = types.ModuleType("updraft", "What a task of Updraft knows and can say.")
    module.Skip = Skip
    module.Fail = Fail
    module.Asset = Asset
    module.AssetAlias = AssetAlias
    module.context = context
    module.args = job["args"]
    module.kwargs = job["kwargs"]
    module.xcom_push = context["ti"].xcom_push
    sys.modules["updraft"] = module


def called(job, context):
    """What is answered; whoever ends well with `sys.exit()` has left what it pushed, too."""
    try:
        return call(job, context)
    except SystemExit as end:
        # Whatever else is given there is printed, and counts as 1.
        if end.code is not None and end.code != 0:
            raise
        return None


def call(job, context):
    """Calls what is asked for."""
    if "script" in job:
        return run_script(job["script"])
    function = find(job)
    kwargs = dict(job["kwargs"])
    kwargs.update(wanted(function, job["args"], kwargs, context))
    return function(*job["args"], **kwargs)


def run_script(path):
    """Runs a script as Python would; it answers by what it pushes."""
    import runpy

    try:
        runpy.run_path(path, run_name="__main__")
    except SyntaxError as error:
        if error.filename == path:
            raise Unloadable(str(error)) from error
        raise
    return None


def find(job):
    """The function that is to be called."""
    name = job["function"]
    try:
        if "file" in job:
            stem = os.path.splitext(os.path.basename(job["file"]))[0]
            spec = importlib.util.spec_from_file_location(stem, job["file"])
            if spec is None or not os.path.isfile(job["file"]):
                raise ImportError("there is no file of Python `%s`" % job["file"])
            sys.path.insert(0, os.path.dirname(job["file"]))
            found = importlib.util.module_from_spec(spec)
            sys.modules[stem] = found
            spec.loader.exec_module(found)
        else:
            found = importlib.import_module(job["module"])
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, SyntaxError, AttributeError) as error:
        raise Unloadable(str(error)) from error
    if not callable(found):
        raise Unloadable("`%s` is no function" % name)
    return found


def wanted(function, args, kwargs, context):
    """The parts of the context that a function names, or all of them if it takes whatever comes."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        given = {parameter.name for parameter in parameters[: len(args)]}
        return {name: value for name, value in context.items() if name not in kwargs and name not in given}
    named = [parameter.name for parameter in parameters[len(args) :] if parameter.kind is not parameter.POSITIONAL_ONLY]
    return {name: context[name] for name in named if name in context and name not in kwargs}


def plain(value):
    """What JSON knows nothing of, but other tasks can read."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # Numbers of NumPy and the like.
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return item()
    raise Fail("a value of the type `%s` cannot be left for other tasks; answer with JSON" % type(value).__name__)


def is_called(error, name):
    """Whether an exception is one of Airflow's, wherever its class is from."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def tell(error):
    """Prints the traceback without our own part of it."""
    if isinstance(error, Unloadable) and error.__cause__ is not None:
        error = error.__cause__
    trace = error.__traceback__
    while trace is not None and is_ours(trace.tb_frame):
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)
    sys.stderr.flush()


def is_ours(frame):
    """Whether a frame is of this program, or of what it loads others with."""
    return frame.f_code.co_filename == __file__ or frame.f_globals.get("__name__") in FRAMES_OF_OTHERS


def last_line(error):
    """An exception in one line."""
    if isinstance(error, Unloadable) and error.__cause__ is not None:
        error = error.__cause__
    return traceback.format_exception_only(type(error), error)[-1].strip()


if __name__ == "__main__":
    sys.exit(main())
