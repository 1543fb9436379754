"""What Spark answers to SQL: a session as the notebooks had it, and its values as JSON."""

import datetime
import decimal
import math
import os


def session(memory="1g"):
    """A session on this machine with ANSI off, in UTC: what the notebooks' runtime had."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[2]").appName("updraft")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.driver.memory": memory,
        "spark.log.level": "OFF",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def value(cell):
    """A value as Updraft writes it in JSON."""
    if isinstance(cell, bool) or cell is None or isinstance(cell, (int, str)):
        return cell
    if isinstance(cell, float):
        return "NaN" if math.isnan(cell) else cell if math.isfinite(cell) else str(cell)
    if isinstance(cell, decimal.Decimal):
        return float(cell)
    if isinstance(cell, datetime.datetime):
        text = cell.strftime("%Y-%m-%d %H:%M:%S")
        return text + (f".{cell.microsecond:06d}".rstrip("0") if cell.microsecond else "")
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    if isinstance(cell, dict):
        return {str(key): value(item) for key, item in cell.items()}
    if hasattr(cell, "asDict"):
        return {key: value(item) for key, item in cell.asDict().items()}
    if isinstance(cell, (list, tuple)):
        return [value(item) for item in cell]
    return str(cell)


def answer(spark, sql):
    """Columns and rows of a query, or what is wrong with it."""
    try:
        frame = spark.sql(sql)
        return {"columns": frame.columns, "rows": [[value(cell) for cell in row] for row in frame.collect()]}
    except Exception as error:
        condition = getattr(error, "getCondition", lambda: None)()
        return {"error": condition or str(error).splitlines()[0]}
