"""Random `PIVOT` and `UNPIVOT` behind tables, lists and joins, as both answer them."""

import random

import oracle
from updraft import difference

QUERIES = 60
KINDS = ["a", "b", "C", "d e", None]
AGGREGATES = ["sum(v)", "count(v)", "count(*)", "max(v)", "min(w)", "avg(v)", "sum(v * 2)", "count(DISTINCT w)"]


def literal(value):
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def values(dice, name, columns):
    """Rows that are written out; `k` joins, `kind` is pivoted."""
    makers = {
        "k": lambda: dice.choice([1, 2, 3, None]),
        "j": lambda: dice.choice([1, 2, 3, None]),
        "kind": lambda: dice.choice(KINDS),
        "v": lambda: dice.choice([1, 5, -3, None]),
        "w": lambda: dice.choice([7, 8, None]),
    }
    rows = [[makers[column]() for column in columns] for _ in range(dice.randrange(1, 7))]
    # Of a column of NULLs alone nobody knows the type.
    rows.append([makers[column]() or {"kind": "a"}.get(column, 1) for column in columns])
    rows = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    return f"VALUES {rows} AS {name}({', '.join(columns)})"


def relation(dice):
    """What is pivoted: it has `kind`, `v` and `w`, and `k` besides."""
    one, other = ["k", "kind"], ["k", "v", "w"]
    shape = dice.choice(["list", "subquery", "using", "on", "left", "cross", "comma", "parentheses"])
    if shape == "list":
        return values(dice, "t", ["k", "kind", "v", "w"])
    if shape == "subquery":
        return f"(SELECT * FROM {values(dice, 't', ['k', 'kind', 'v', 'w'])}) AS s"
    # Which of two joined columns is taken has nothing to do with what the tables are called.
    first, second = dice.sample(["a", "p", "q", "z"], 2)
    left = values(dice, first, one)
    if shape == "using":
        return f"{left} {dice.choice(['JOIN', 'LEFT JOIN'])} {values(dice, second, other)} USING (k)"
    right = values(dice, second, ["j", "v", "w"])
    if shape == "cross":
        return f"{left} CROSS JOIN {right}"
    if shape == "comma":
        return f"{left}, {values(dice, second, ['v', 'w'])}"
    condition = f"{first}.k = {second}.j AND {first}.k IS DISTINCT FROM 3"
    joined = f"{left} {'LEFT JOIN' if shape == 'left' else 'JOIN'} {right} ON {condition}"
    return f"({joined})" if shape == "parentheses" else joined


def pivot(dice):
    calls = dice.sample(AGGREGATES, dice.choice([1, 1, 2]))
    calls = [f"{call} AS x{at}" if dice.random() < 0.4 else call for at, call in enumerate(calls)]
    kinds = dice.sample([kind for kind in KINDS if kind is not None], dice.randrange(1, 4))
    kinds = [literal(kind) + (f" AS y{at}" if dice.random() < 0.3 else "") for at, kind in enumerate(kinds)]
    return f"PIVOT ({', '.join(calls)} FOR kind IN ({', '.join(kinds)}))"


def unpivot(dice):
    nulls = dice.choice(["", "INCLUDE NULLS ", "EXCLUDE NULLS "])
    return f"UNPIVOT {nulls}(amount FOR quarter IN (v, w{dice.choice(['', ' AS second'])}))"


def query(dice):
    what = pivot(dice) if dice.random() < 0.7 else unpivot(dice)
    alias = dice.choice(["", " AS p"])
    return f"SELECT * FROM {relation(dice)} {what}{alias}"


def compare(spark, pipeline, seed):
    """What differs between the answers."""
    dice = random.Random(seed)
    wrong, answered = [], 0
    for _ in range(QUERIES):
        sql = query(dice)
        theirs = oracle.answer(spark, sql)
        if "error" in theirs:
            wrong.append(f"{sql}\n  Spark fails: {theirs['error']}")
            continue
        try:
            mine = pipeline.rows(sql)
        except RuntimeError as error:
            wrong.append(f"{sql}\n  Updraft fails: {error}")
            continue
        answered += 1
        wrong.append(difference(sql, sorted(mine, key=repr), sorted(theirs["rows"], key=repr)))
    found = [text for text in wrong if text is not None]
    print(f"{'same' if not found else 'DIFFERENT'}  {answered} of {QUERIES} random pivots", flush=True)
    return found
