# Updraft's operator `clean` on Spark: the same rules, in the same order, with the same answers.

ZEROS = {"k": 3, "K": 3, "m": 6, "M": 6, "b": 9, "B": 9}
# White space as Unicode has it; `\z` because `$` would also stand before a last line end.
BLANKS_AROUND = r"(?U)^\s+|\s+\z"
BLANKS = r"(?U)\s+"


def quoted(text):
    """A pattern for the text itself, letter by letter."""
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"


def unescaped(text):
    """A replacement in which nothing means anything but itself."""
    return text.replace("\\", "\\\\").replace("$", "\\$")


class Cleaning:
    """Rows on their way through the rules, and what is counted of them."""

    def __init__(self, spark, frame):
        self.spark, self.frame = spark, frame
        self.changed = []
        self.seen = []

    def kind(self, name):
        for field in self.frame.schema.fields:
            if field.name == name:
                return field.dataType
        known = ", ".join(self.frame.columns)
        raise Refused(f"there is no column `{name}` at this point; there are {known}")

    def text_columns(self, said):
        """The columns of a rule; `all` are those of text."""
        if said == "all":
            return [field.name for field in self.frame.schema.fields if isinstance(field.dataType, T.StringType)]
        return names_of(said)

    def change(self, label, names, make, is_changed):
        """Puts new values into columns, and counts the rows in which any of them changed."""
        for name in names:
            self.kind(name)
        new = {name: make(c(name), name) for name in names}
        # Old and new values side by side, so that they can be compared before the old ones go.
        width = self.frame.columns
        beside = self.frame.select(
            *map(c, width), *[column.alias(f"__updraft_new_{at}") for at, column in enumerate(new.values())]
        )
        pairs = [(c(name), c(f"__updraft_new_{at}")) for at, name in enumerate(new)]
        differs = any_of(is_changed(old, now) for old, now in pairs)
        beside, observation = counted(beside, f"changed {len(self.seen)}", F.count(F.when(differs, 1)).alias("changed"))
        self.seen.append(observation)
        self.changed.append((label, lambda: observation.get["changed"]))
        place = {name: f"__updraft_new_{at}" for at, name in enumerate(new)}
        self.frame = beside.select(*[c(place.get(name, name)).alias(name) for name in width])

    def add(self, label, name, column):
        """Puts in a new column, in the place of one of its name."""
        width = self.frame.columns
        if name in width:
            self.frame = self.frame.select(*[(column if old == name else c(old)).alias(old) for old in width])
        else:
            self.frame = self.frame.select(*map(c, width), column.alias(name))
        self.frame, observation = counted(
            self.frame, f"made {len(self.seen)}", F.count(c(name)).alias("changed")
        )
        self.seen.append(observation)
        self.changed.append((label, lambda: observation.get["changed"]))

    def drop_rows(self, label, keep):
        """Leaves rows out, and counts how many."""
        self.frame, before = counted(self.frame, f"before {len(self.seen)}")
        self.frame = keep(self.frame)
        self.frame, after = counted(self.frame, f"after {len(self.seen)}")
        self.seen += [before, after]
        self.changed.append((label, lambda: max(before.get["rows"] - after.get["rows"], 0)))
        return before, after

    def counts(self):
        """Rows changed or removed, by the labels of the rules."""
        counts = {}
        for label, count in self.changed:
            taken = sum(1 for key in counts if key.split(" #")[0] == label)
            counts[label if taken == 0 else f"{label} #{taken + 1}"] = count()
        return counts


def became_null(old, new):
    return old.isNotNull() & new.isNull()


def differs(old, new):
    return ~old.cast("string").eqNullSafe(new.cast("string"))


def nulls(work, label, said):
    names = said.get("columns", "all")
    if names == "all":
        names = [field.name for field in work.frame.schema.fields if not is_nested(field.dataType)]

    def unmarked(value, name):
        text = value.cast("string")
        markers = said["values"]
        if said.get("ignore_case"):
            text, markers = F.lower(text), [marker.lower() for marker in markers]
        how = said.get("match", "whole")
        if how == "whole":
            is_marker = text.isin(markers)
        elif how == "prefix":
            is_marker = any_of(text.startswith(marker) for marker in markers)
        else:
            is_marker = any_of(text.contains(marker) for marker in markers)
        return F.when(is_marker, F.lit(None)).otherwise(value)

    work.change(label, names_of(names), unmarked, became_null)


def fill(work, label, said):
    value = said["value"]

    def suits(kind):
        if isinstance(value, bool):
            return isinstance(kind, T.BooleanType)
        if isinstance(value, str):
            return isinstance(kind, T.StringType)
        return isinstance(kind, T.NumericType)

    names = said.get("columns", "all")
    if names == "all":
        names = [field.name for field in work.frame.schema.fields if suits(field.dataType)]
    work.change(
        label,
        names_of(names),
        lambda column, name: F.when(column.isNull(), F.lit(value).cast(work.kind(name))).otherwise(column),
        differs,
    )


def as_timestamp(work, column, name, format):
    if format is None or not isinstance(work.kind(name), T.StringType):
        return F.to_timestamp(column) if isinstance(work.kind(name), T.StringType) else column.cast("timestamp")
    return F.to_timestamp(column, format)


def cast(work, label, said):
    def make(column, name):
        if is_nested(work.kind(name)) and said["to"] != "string":
            raise Refused(f"the rule `{label}` cannot cast `{name}`, which holds {work.kind(name).simpleString()}")
        if said.get("format") is not None:
            column = as_timestamp(work, column, name, said["format"])
        return column.cast(said["to"])

    work.change(label, names_of(said["column"]), make, differs)


def suffixed_number(work, label, said):
    letters = said.get("letters", ["k", "M"])
    rule, width = said.get("rule", "letter_off"), said.get("to", "int")

    def make(column, name):
        text = column.cast("string")
        if rule == "digits_only":
            return F.regexp_replace(text, "[^0-9]", "").cast(width)
        if rule == "zeros":
            for letter in letters:
                text = F.regexp_replace(text, letter, "0" * ZEROS[letter])
            return text.cast(width)
        read = "double" if rule == "double" else width
        number = text.cast(read)
        for letter in reversed(letters):
            without = F.regexp_replace(text, letter, "").cast(read)
            number = F.when(text.contains(letter), without * F.lit(10 ** ZEROS[letter]).cast(read)).otherwise(number)
        return number.cast(width)

    work.change(label, [said["column"]], make, differs)


def replaced(value, text, new, at):
    value = value.cast("string")
    if at == "whole":
        return F.when(value == F.lit(text), F.lit(new)).otherwise(value)
    pattern = {"anywhere": "{}", "start": "^{}", "end": "{}\\z"}[at].format(quoted(text))
    return F.regexp_replace(value, pattern, unescaped(new))


def replace(work, label, said):
    if (said.get("text") is None) == (said.get("pattern") is None):
        raise Refused(f"the rule `{label}` needs one of `text` and `pattern`")
    if said.get("pattern") is not None:
        make = lambda value, name: F.regexp_replace(value.cast("string"), said["pattern"], said["with"])
    else:
        make = lambda value, name: replaced(value, said["text"], said["with"], said.get("at", "anywhere"))
    work.change(label, names_of(said["column"]), make, differs)


def concat(work, label, said):
    parts = [c(name).cast("string") for name in said["of"]]
    joined = F.concat_ws(said.get("separator", ""), *parts)
    if said.get("nulls", "any") == "any":
        joined = F.when(any_of(part.isNull() for part in parts), F.lit(None)).otherwise(joined)
    work.add(label, said["into"], joined)


def array(work, label, said):
    kinds = [work.kind(name) for name in said["of"]]
    elements = [c(name) for name in said["of"]]
    if any(kind != kinds[0] for kind in kinds):
        target = "double" if all(isinstance(kind, T.NumericType) for kind in kinds) else "string"
        elements = [element.cast(target) for element in elements]
    work.add(label, said["into"], F.array(*elements))


def trim(work, label, said):
    def make(value, name):
        text = F.regexp_replace(value, BLANKS_AROUND, "")
        return F.regexp_replace(text, BLANKS, " ") if said.get("squeeze") else text

    work.change(label, work.text_columns(said.get("columns", "all")), make, differs)


def select(work, names):
    for name in names:
        work.kind(name)
    work.frame = work.frame.select(*map(c, names))


def order(work, label, said):
    first = names_of(said)
    select(work, first + [name for name in work.frame.columns if name not in first])


def rename(work, label, said):
    for name in said:
        work.kind(name)
    work.frame = work.frame.select(*[c(name).alias(said.get(name, name)) for name in work.frame.columns])


def drop(work, label, said):
    gone = names_of(said)
    for name in gone:
        work.kind(name)
    select(work, [name for name in work.frame.columns if name not in gone])


def sorting(written, is_opposite=False):
    """`name`, or `name desc`; NULL comes first, or last in the opposite order."""
    name, _, word = written.strip().rpartition(" ")
    is_descending = bool(name) and word.lower() == "desc"
    name = name.strip() if name and word.lower() in ("asc", "desc") else written.strip()
    return c(name).desc() if is_descending != is_opposite else c(name).asc()


def keep_one(frame, keys, order_by, is_last):
    number = "__updraft_number"
    window = Window.partitionBy(*map(c, keys)).orderBy(*[sorting(each, is_last) for each in order_by])
    width = frame.columns
    return frame.withColumn(number, F.row_number().over(window)).filter(c(number) == 1).select(*map(c, width))


def deduplicate(work, label, said):
    by = said.get("by", "row")
    if by == "row":
        keep = lambda frame: frame.dropDuplicates()
    elif said.get("keep", "any") == "any":
        keep = lambda frame: frame.dropDuplicates(by)
    else:
        keep = lambda frame: keep_one(frame, by, names_of(said["order_by"]), said["keep"] == "last")
    return work.drop_rows(label, keep)


def apply(work, label, word, said):
    """Takes one step. Answers with the counts before and after, if it removes duplicates."""
    names = lambda: names_of(said["column"])
    text = lambda make: work.change(label, names(), lambda value, name: make(value.cast("string")), differs)
    simple = {
        "nulls": nulls, "fill": fill, "cast": cast, "suffixed_number": suffixed_number, "replace": replace,
        "concat": concat, "array": array, "trim": trim, "order": order, "rename": rename, "drop": drop,
    }
    if word in simple:
        simple[word](work, label, said)
    elif word == "timestamp":
        make = lambda value, name: as_timestamp(work, value, name, said.get("format"))
        work.change(label, names(), make, became_null)
    elif word == "remove_text":
        text(lambda value: replaced(value, said["text"], "", said.get("at", "anywhere")))
    elif word == "extract":
        text(lambda value: F.regexp_extract(value, said["pattern"], said.get("group", 1)))
    elif word == "substring_index":
        text(lambda value: F.substring_index(value, said["delimiter"], said["count"]))
    elif word == "split":
        work.kind(said["column"])
        parts = F.split(c(said["column"]).cast("string"), quoted(said["separator"]))
        work.add(label, said.get("into") or said["column"], parts)
    elif word in ("lower", "upper"):
        make = F.lower if word == "lower" else F.upper
        work.change(label, work.text_columns(said), lambda value, name: make(value), differs)
    elif word == "struct":
        work.add(label, said["into"], F.struct(*map(c, said["of"])))
    elif word == "derive":
        work.add(label, said["into"], F.expr(said["sql"]))
    elif word == "select":
        select(work, names_of(said))
    elif word == "filter":
        work.drop_rows(label, lambda frame: frame.filter(F.expr(said)))
    elif word == "drop_rows":
        work.drop_rows(label, lambda frame: frame.filter(~F.coalesce(F.expr(said), F.lit(False))))
    elif word == "drop_nulls":
        # Not `dropna`, which takes NaN for NULL.
        has_null = any_of(c(name).isNull() for name in names_of(said))
        work.drop_rows(label, lambda frame: frame.filter(~has_null))
    elif word == "explode":
        name = said["column"]
        if not isinstance(work.kind(name), T.ArrayType):
            raise Refused(f"the rule `{label}` needs a column of arrays; `{name}` holds {work.kind(name).simpleString()}")
        width = work.frame.columns
        work.frame = work.frame.select(*[F.explode(c(old)).alias(old) if old == name else c(old) for old in width])
    elif word == "sql":
        work.frame.createOrReplaceTempView("input")
        work.frame = work.spark.sql(said)
    elif word == "deduplicate":
        return deduplicate(work, label, said)
    else:
        raise Refused(f"there is no rule `{word}` on Databricks")
    return None


def is_off(word, said):
    return word == "deduplicate" and str(said.get("when", True)).lower() == "false"


def of_schema(frame, types, keeps_extra):
    """The columns that a task wants: cast, or NULL where there is none."""
    have = {field.name: field.dataType for field in frame.schema.fields}
    columns = []
    for name, target in types.items():
        if name not in have:
            columns.append(F.lit(None).cast(target).alias(name))
        elif is_nested(have[name]) and target != "string":
            columns.append(F.lit(None).cast(target).alias(name))
        else:
            columns.append(c(name).cast(target).alias(name))
    extra = [name for name in have if name not in types and name != "_corrupt_record"] if keeps_extra else []
    return frame.select(*columns, *map(c, extra))


def with_types_of(frame, kinds):
    """The rows, of whose columns those that hold nothing but NULLs get the types that a table has for them."""
    is_text = lambda kind: isinstance(kind, T.StringType)
    kind = {field.name: field.dataType for field in frame.schema.fields}
    unsure = [name for name in kind if is_text(kind[name]) and not is_text(kinds.get(name, kind[name]))]
    if not unsure:
        return frame
    found = frame.agg(*[F.count(c(name)).alias(f"n{at}") for at, name in enumerate(unsure)]).first()
    empty = [name for at, name in enumerate(unsure) if found[f"n{at}"] == 0]
    return frame.select(*[F.lit(None).cast(kinds[name]).alias(name) if name in empty else c(name) for name in kind])


def write(spark, job, frame):
    """One commit; answers with the rows that took the place of others."""
    output, mode, partitions = job["output"], job["mode"], job["partition_by"]
    change = job["schema_change"]

    def writing(frame):
        writer = frame.write.format("delta")
        return writer.partitionBy(*partitions) if partitions else writer

    if mode == "overwrite":
        writer = writing(frame)
        option = {"replace": "overwriteSchema", "add": "mergeSchema"}.get(change)
        writer = writer.option(option, "true") if option else writer
        writer.mode("overwrite").save(output)
        return
    from delta.tables import DeltaTable

    if change == "add":
        spark.conf.set("spark.databricks.delta.schema.autoMerge.enabled", "true")
    if DeltaTable.isDeltaTable(spark, output):
        existing = spark.read.format("delta").load(output).schema
        frame = with_types_of(frame, {field.name: field.dataType for field in existing.fields})
    if mode == "append":
        # Delta itself passes over what a try has appended before it was interrupted.
        writer = writing(frame).option("txnAppId", job["app_id"]).option("txnVersion", job["attempt"])
        writer.option("userMetadata", job["mark"]).mode("append").save(output)
    elif not DeltaTable.isDeltaTable(spark, output):
        writing(frame).mode("error").save(output)
    else:
        condition = " AND ".join(f"t.`{key}` <=> s.`{key}`" for key in job["keys"])
        merge = DeltaTable.forPath(spark, output).alias("t").merge(frame.alias("s"), condition)
        merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()


def version_of(spark, job):
    """The newest version of a table that is appended to; none of others, and where there is no table."""
    if job["mode"] != "append":
        return None
    from delta.tables import DeltaTable

    if not DeltaTable.isDeltaTable(spark, job["output"]):
        return None
    return DeltaTable.forPath(spark, job["output"]).history(1).first()["version"]


def has_appended(spark, job, before):
    """Whether a commit after that version has the mark of this notebook; others may write to the table meanwhile."""
    from delta.tables import DeltaTable

    limit = 1
    while True:
        # The newest come first.
        commits = DeltaTable.forPath(spark, job["output"]).history(limit).select("version", "userMetadata").collect()
        if any(commit["userMetadata"] == job["mark"] for commit in commits):
            return True
        if len(commits) < limit or commits[-1]["version"] <= before:
            return False
        limit *= 2


def as_folders(spark, job, frame):
    """The rows with their keys as the table has them, which keeps an empty text that makes a folder as NULL."""
    from delta.tables import DeltaTable

    output, partitions = job["output"], job["partition_by"]
    if not partitions and DeltaTable.isDeltaTable(spark, output):
        partitions = DeltaTable.forPath(spark, output).detail().first()["partitionColumns"]
    folders = {name.lower() for name in partitions or []}
    is_text = lambda field: isinstance(field.dataType, T.StringType)
    emptied = [field.name for field in frame.schema.fields if is_text(field) and field.name.lower() in folders]
    if not emptied:
        return frame
    return frame.select(
        *[F.when(c(name) != "", c(name)).alias(name) if name in emptied else c(name) for name in frame.columns]
    )


def keep_rejected(spark, job, dropped, rows):
    """Puts the rows that expectations dropped into a table of their own, in the place of those of the same run."""
    from delta.tables import DeltaTable

    is_there = DeltaTable.isDeltaTable(spark, job["rejected"])
    whose = {"_dag_id": job["dag_id"], "_run_id": job["run_id"], "_task_id": job["task_id"]}
    told = whose if job["mode"] != "overwrite" else {key: whose[key] for key in ("_dag_id", "_task_id")}
    text = lambda value: "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    mine = " AND ".join(f"{name} = {text(value)}" for name, value in told.items())
    if rows == 0:
        if is_there:
            DeltaTable.forPath(spark, job["rejected"]).delete(mine)
        return
    marked = dropped
    for name, value in whose.items():
        marked = marked.withColumn(name, F.lit(value))
    marked = marked.withColumn("_rejected_at", F.current_timestamp())
    if not is_there:
        marked.write.format("delta").mode("append").save(job["rejected"])
    else:
        writer = marked.write.format("delta").mode("overwrite").option("replaceWhere", mine)
        writer.option("mergeSchema", "true").save(job["rejected"])


def cleaned(spark, job):
    """The rows after the rules, and what is counted of them; a text instead when there is nothing to read."""
    types = job["schema"]
    try:
        frame = read(
            spark, job["inputs"], job["format"], job["options"], job["version"], None, job["partition_columns"]
        )
    except Exception as error:
        if exists(error) or job["on_empty"] == "fail":
            raise
        if job["on_empty"] == "skip":
            return f"there is nothing to read at {', '.join(job['inputs'])}"
        if types is None:
            raise Refused("there is nothing to read, and no `schema` says which columns there are")
        frame = spark.createDataFrame([], T.StructType())
    broken = 0
    if "_corrupt_record" in frame.columns:
        frame = frame.persist()
        found = frame.agg(F.count(F.lit(1)).alias("rows"), F.count(c("_corrupt_record")).alias("broken")).first()
        broken = found["broken"]
        if broken > job["max_broken_share"] * found["rows"]:
            raise Refused(f"{broken} of {found['rows']} documents are malformed, more than `max_broken_share` allows")
    frame, read_rows = counted(frame, "read")
    if types is not None:
        frame = of_schema(frame, types, job["extra_columns"] == "keep")
    work = Cleaning(spark, frame)
    duplicates = []
    for label, rule in zip(job["labels"], job["rules"]):
        ((word, said),) = rule.items()
        if not is_off(word, said):
            pair = apply(work, label, word, said)
            duplicates += [pair] if pair else []
    return work, read_rows, duplicates, broken


def report_of_nothing(job):
    """The report of a task whose rows are there already."""
    counts = dict.fromkeys(["rows_read", "rows_written", "rows_rejected", "duplicates", "broken"], 0)
    places = {"table": job["output"], "output": job["output"], "rejected": None}
    return {**counts, "changed": {}, "expectations": [], **places}


def clean(spark, job):
    """Reads, cleans and writes. Answers with the report."""
    prepare(spark)
    made = cleaned(spark, job)
    if isinstance(made, str):
        return {"skipped": made}
    work, read_rows, duplicates, broken = made
    frame, dropped_rows, outcomes = work.frame, 0, []
    if job["expect"]:
        read_table = lambda path, format: read(spark, [path], format or "delta")
        frame, dropped, dropped_rows, outcomes = expected(spark, frame, job["expect"], read_table)
        if any(expectation["action"] == "drop" for expectation in job["expect"]):
            keep_rejected(spark, job, dropped, dropped_rows)
    merged = None
    if job["mode"] == "merge":
        frame, merged = counted(frame, "merged")
        # Before one row of each key is kept: an empty text and a NULL are one key then.
        frame = keep_one(as_folders(spark, job, frame), job["keys"], job["order_by"], True)
    frame, written = counted(frame, "written")
    job = {**job, "mark": f"{job['app_id']} {uuid.uuid4()}"}
    before = version_of(spark, job)
    write(spark, job, frame)
    # Nothing has been read then, and the counts would be waited for for ever.
    if before is not None and not has_appended(spark, job, before):
        print(f"The rows of this task are in {job['output']} already: a try was interrupted after that")
        return report_of_nothing(job)
    removed = sum(max(before.get["rows"] - after.get["rows"], 0) for before, after in duplicates)
    if merged is not None:
        removed += max(merged.get["rows"] - written.get["rows"], 0)
    return {
        "rows_read": read_rows.get["rows"],
        "rows_written": written.get["rows"],
        "rows_rejected": broken + dropped_rows,
        "duplicates": removed,
        "changed": work.counts(),
        "expectations": outcomes,
        "broken": broken,
        "table": job["output"],
        "output": job["output"],
        "rejected": job["rejected"] if dropped_rows else None,
    }
