# Updraft's operator `query` on Spark: the same tables under the same names, the same statements, the same answer.


def registered(spark, tables):
    for name, table in tables.items():
        frame = read(spark, table["paths"], table["format"], table["options"], table["version"], table["timestamp"])
        frame.createOrReplaceTempView(name)
        frame.createOrReplaceGlobalTempView(name)


def rows_of(frame, rows_max):
    """The columns, the first rows, and how many rows there are."""
    frame = frame.persist()
    rows = [[plain(value) for value in row] for row in frame.limit(rows_max).collect()]
    return {"columns": frame.columns, "rows": rows, "row_count": frame.count()}


def write_one_file(frame, output, format, move):
    """A single file, as everybody else reads it: Spark writes a folder, whose only part is moved to its place."""
    folder = output + ".parts"
    writer = frame.coalesce(1).write.mode("overwrite")
    if format == "csv":
        writer = writer.options(header="true", escape='"', nullValue="", emptyValue='""')
    writer.format(format).save(folder)
    move(folder, output)


def moving(dbutils):
    """Puts the only part of a folder in the place of a file, and removes the rest."""

    def move(folder, target):
        parts = [file.path for file in dbutils.fs.ls(folder) if file.name.startswith("part-")]
        dbutils.fs.mv(parts[0], target)
        dbutils.fs.rm(folder, True)

    return move


def query(spark, job, move):
    """Answers the statements. `move` puts the only part of a folder in the place of a file."""
    prepare(spark)
    registered(spark, job["tables"])
    report, earlier = None, []
    for at, statement in enumerate(job["statements"]):
        frame = spark.sql(statement["sql"])
        if statement["view"]:
            continue
        if at != job["answer"]:
            earlier.append({"line": statement["line"], **rows_of(frame, job["max_rows"])})
            continue
        outcomes, dropped = None, 0
        if job["expect"]:
            read_table = lambda path, format: read(spark, [path], format or "delta")
            frame, _, dropped, outcomes = expected(spark, frame, job["expect"], read_table)
        report = rows_of(frame, job["max_rows"])
        if outcomes is not None:
            report.update(expectations=outcomes, rows_rejected=dropped)
        output = job["output"]
        if output is not None and output["format"] == "delta":
            frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(output["path"])
        elif output is not None:
            write_one_file(frame, output["path"], output["format"], move)
        report["output"] = output and output["path"]
    if earlier:
        report["results"] = earlier
    return report
