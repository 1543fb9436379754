# What the notebooks of `clean` and `query` share. Nothing here knows of a task: it is told in `job`, a mapping.

import datetime
import decimal
import json
import math
import uuid

from pyspark.sql import Observation, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

ANSWER_BYTES_MAX = 4_000_000


class Refused(Exception):
    """The task cannot be done as it is written, or its rows are not what it expects."""


def prepare(spark):
    """Answers as Updraft's: what cannot be cast is NULL, and times are in UTC."""
    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")


def c(name):
    """A column by its exact name."""
    return F.col("`" + name.replace("`", "``") + "`")


def names_of(said):
    """One name, or several."""
    return [said] if isinstance(said, str) else list(said)


def any_of(conditions):
    found = F.lit(False)
    for condition in conditions:
        found = found | condition
    return found


def is_nested(data_type):
    return isinstance(data_type, (T.ArrayType, T.MapType, T.StructType))


def read(spark, paths, format, options=None, version=None, timestamp=None, partitions=False):
    """Rows of files or of a Delta table."""
    reader = spark.read.options(**(options or {}))
    if format == "delta":
        if version is not None:
            reader = reader.option("versionAsOf", version)
        if timestamp is not None:
            reader = reader.option("timestampAsOf", timestamp)
        frames = [reader.format("delta").load(path) for path in paths]
        whole = frames[0]
        for frame in frames[1:]:
            whole = whole.unionByName(frame, allowMissingColumns=True)
        return whole
    if not partitions:
        reader = reader.option("recursiveFileLookup", "true")
    return reader.format(format).load(paths)


def counted(frame, label, *counts):
    """The rows of a frame, of which something is counted as they pass."""
    observation = Observation(label)
    return frame.observe(observation, F.count(F.lit(1)).alias("rows"), *counts), observation


def exists(error):
    """Whether an error says anything but that there is nothing at a path."""
    text = str(error)
    return not any(word in text for word in ("PATH_NOT_FOUND", "Path does not exist", "UNABLE_TO_INFER_SCHEMA"))


def expected(spark, frame, expectations, read_table):
    """The rows that may be written, those that may not, and what became of each expectation."""
    width = frame.columns
    flags = []
    for at, expectation in enumerate(expectations):
        flag = f"__updraft_fails_{at}"
        frame, fails = failing(frame, expectation, at, read_table)
        if fails is not None:
            frame = frame.withColumn(flag, F.coalesce(fails, F.lit(False)))
            flags.append((expectation, flag))
    drops = any_of(c(flag) for expectation, flag in flags if expectation["action"] == "drop")
    frame = frame.withColumn("__updraft_drops", drops).persist()
    sums = [F.count(F.when(c(flag), 1)).alias(flag) for _, flag in flags]
    found = frame.agg(F.count(F.lit(1)).alias("rows"), F.count(F.when(c("__updraft_drops"), 1)).alias("dropped"), *sums)
    found = found.first().asDict()
    failed = {id(expectation): found[flag] for expectation, flag in flags}
    outcomes, complaints = [], []
    for expectation in expectations:
        rows = failed.get(id(expectation))
        if rows is None:
            kept, bounds = found["rows"] - found["dropped"], expectation["row_count"]
            rows = max((bounds.get("min") or 0) - kept, kept - (bounds.get("max") if bounds.get("max") is not None else kept), 0)
        outcomes.append({"name": expectation["label"], "action": expectation["action"], "failed_rows": rows})
        if rows and expectation["action"] == "fail":
            complaints.append(f"{rows} of {found['rows']} rows do not meet `{expectation['label']}`")
        elif rows:
            print(f"{rows} of {found['rows']} rows do not meet `{expectation['label']}`: {expectation['action']}")
    if complaints:
        raise Refused("; ".join(complaints))
    kept = frame.filter(~c("__updraft_drops")).select(*map(c, width))
    dropped = frame.filter(c("__updraft_drops")).select(*map(c, width))
    return kept, dropped, found["dropped"], outcomes


def failing(frame, expectation, at, read_table):
    """The rows with what is needed to say which of them fail, and the condition; no condition where no row is to blame."""
    if expectation.get("not_null") is not None:
        return frame, any_of(c(name).isNull() for name in names_of(expectation["not_null"]))
    if expectation.get("unique") is not None:
        names = names_of(expectation["unique"])
        number = f"__updraft_unique_{at}"
        window = Window.partitionBy(*map(c, names)).orderBy(F.lit(1))
        has_null = any_of(c(name).isNull() for name in names)
        return frame.withColumn(number, F.row_number().over(window)), (c(number) > 1) & ~has_null
    if expectation.get("range") is not None:
        said = expectation["range"]
        column = c(said["column"])
        bounds = [bound for bound in (said.get("min"), said.get("max")) if bound is not None]
        kind = frame.schema[said["column"]].dataType
        if isinstance(kind, T.StringType) and not any(isinstance(bound, str) for bound in bounds):
            column, kind = column.cast("double"), T.DoubleType()
        literal = lambda bound: F.lit(bound).cast(kind) if isinstance(bound, str) else F.lit(bound)
        outside = []
        if said.get("min") is not None:
            outside.append(column < literal(said["min"]))
        if said.get("max") is not None:
            outside.append(column > literal(said["max"]))
        return frame, any_of(outside)
    if expectation.get("regex") is not None:
        return frame, ~c(expectation["regex"]["column"]).cast("string").rlike(expectation["regex"]["pattern"])
    if expectation.get("foreign_key") is not None:
        said = expectation["foreign_key"]
        own, theirs = names_of(said["column"]), names_of(said.get("to") or said["column"])
        mark = f"__updraft_found_{at}"
        keys = [f"__updraft_key_{at}_{position}" for position in range(len(own))]
        there = read_table(said["references"], said.get("format"))
        casts = [c(name).cast(frame.schema[mine].dataType).alias(key) for name, mine, key in zip(theirs, own, keys)]
        there = there.select(*casts).distinct().withColumn(mark, F.lit(True))
        condition = [c(mine) == c(key) for mine, key in zip(own, keys)]
        has_null = any_of(c(name).isNull() for name in own)
        return frame.join(there, condition, "left"), c(mark).isNull() & ~has_null
    if expectation.get("sql") is not None:
        return frame, ~F.expr(expectation["sql"])
    return frame, None


def plain(value):
    """A value as JSON has it; times as Spark prints them."""
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
        return text + (f".{value.microsecond:06d}".rstrip("0") if value.microsecond else "")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        digits = sum(sign.isdigit() for sign in text)
        return text if digits > 15 else (float(text) if "." in text else int(text))
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "asDict"):
        return {key: plain(item) for key, item in value.asDict().items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def answer_of(report):
    """The report as text, with as many of its rows as Databricks takes back from a notebook."""
    answers = [report, *report.get("results", [])]
    text = json.dumps(report, ensure_ascii=False)
    while len(text.encode()) > ANSWER_BYTES_MAX and any(answer.get("rows") for answer in answers):
        for answer in answers:
            if answer.get("rows"):
                answer["rows"] = answer["rows"][: len(answer["rows"]) // 2]
        text = json.dumps(report, ensure_ascii=False)
    return text
