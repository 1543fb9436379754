"""The pipeline in Polars: with_polars.py ROWS ANSWERS [LAKE]

Without LAKE the columns are told, and the tables are held in memory. With it the columns are found out as Polars does (of the
first hundred rows), and each table is written as it is cleaned, into a Parquet file from which the questions read: that is
faster than Delta tables, and than to hold the tables in memory and to write them.
"""

import os

os.environ["POLARS_MAX_THREADS"] = "2"

import polars as pl  # noqa: E402
from polars import col  # noqa: E402

from pinterest import AGE_GROUPS, MARKERS, PIN, PIN_TEXTS, folders, write  # noqa: E402

rows, answers, lake = folders()


def whole(column):
    return column.cast(pl.Int32, strict=False)


def moment(column):
    text = column.str.replace("T", " ", literal=True)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)


def read(table, **schema):
    return pl.scan_ndjson(rows / f"{table}.jsonl", schema=None if lake else schema)


def keep(table, frame):
    if not lake:
        return frame.collect().lazy()
    file = lake / f"{table}.parquet"
    frame.sink_parquet(file, compression="snappy", maintain_order=False)
    return pl.scan_parquet(file)


def coordinates(*columns):
    # Parquet has no arrays of a fixed length.
    return pl.concat_list(*columns) if lake else pl.concat_arr(*columns)


def scaled(letter, factor):
    return whole(col("follower_count").str.replace_all(letter, "", literal=True)) * factor


unmarked = [pl.when(~col(name).is_in(MARKERS)).then(col(name)).alias(name) for name in PIN_TEXTS]
followers = (
    pl.when(col("follower_count").str.contains("k", literal=True)).then(scaled("k", 1000))
    .when(col("follower_count").str.contains("M", literal=True)).then(scaled("M", 1_000_000))
    .otherwise(whole(col("follower_count")))
)
pin = keep(
    "pin",
    read("pin", index=pl.Int64, **dict.fromkeys(PIN_TEXTS, pl.String), downloaded=pl.Int64)
    .with_columns(unmarked)
    .with_columns(
        whole(col("index")).alias("ind"),
        followers.alias("follower_count"),
        col("save_location").str.replace_all("Local save in ", "", literal=True),
    )
    .select(PIN),
)
geo = keep(
    "geo",
    read("geo", ind=pl.Int64, timestamp=pl.String, latitude=pl.Float64, longitude=pl.Float64, country=pl.String)
    .select(whole(col("ind")), "country", coordinates("latitude", "longitude").alias("coordinates"), moment(col("timestamp"))),
)
user = keep(
    "user",
    read("user", ind=pl.Int64, first_name=pl.String, last_name=pl.String, age=pl.Int64, date_joined=pl.String)
    .select(
        whole(col("ind")),
        (col("first_name") + " " + col("last_name")).alias("user_name"),
        whole(col("age")),
        moment(col("date_joined")),
    ),
)

places = geo.join(pin, on="ind")
people = user.join(pin, on="ind")
age_group = pl.lit(None, dtype=pl.String)
for low, high, name in reversed(AGE_GROUPS):
    age_group = pl.when(col("age").is_between(low, high)).then(pl.lit(name)).otherwise(age_group)
people = people.with_columns(age_group.alias("age_group"), col("date_joined").dt.year().alias("post_year"))
joined = col("post_year").is_between(2015, 2020)
median = col("follower_count").quantile(0.5, "lower").cast(pl.Int64).alias("median_follower_count")
count = pl.len().alias("category_count")


def most(frame, by, what):
    return frame.filter(col(what) == col(what).max().over(by))


QUESTIONS = {
    "task4": most(
        places.filter(col("country").is_not_null()).group_by("country", "category").agg(count), "country", "category_count"
    ),
    "task5": places.select(col("timestamp").dt.year().alias("post_year"), "category")
    .filter(col("post_year").is_between(2018, 2022))
    .group_by("post_year", "category")
    .agg(count),
    "task6_part1": places.filter(
        (col("follower_count") == col("follower_count").max().over("country"))
        | col("follower_count").max().over("country").is_null()
    ).select("country", "poster_name", "follower_count"),
    "task6_part2": places.group_by("country")
    .agg(col("follower_count").max())
    .sort("follower_count", descending=True, nulls_last=True)
    .head(1),
    "task7": most(people.group_by("age_group", "category").agg(count), "age_group", "category_count"),
    "task8": people.group_by("age_group").agg(median),
    "task9": user.select(col("date_joined").dt.year().alias("post_year"))
    .filter(joined)
    .group_by("post_year")
    .agg(pl.len().alias("number_users_joined")),
    "task10": people.filter(joined).group_by("post_year").agg(median),
    "task11": people.filter(joined).group_by("age_group", "post_year").agg(median),
}
for name, question in QUESTIONS.items():
    answer = question.collect(engine="streaming" if lake else "auto")
    write(answers, name, answer.columns, answer.rows())
