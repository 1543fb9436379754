"""The pipeline in Spark, as the notebooks have it: with_spark.py ROWS ANSWERS [LAKE]

The columns are found out, of all rows. Without LAKE the tables are cached; with it they are written as Parquet, from which the
questions read.
"""

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from pinterest import AGE_GROUPS, MARKERS, PIN, PIN_TEXTS, folders, write

rows, answers, lake = folders()
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.ansi.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def read(table):
    return spark.read.json(str(rows / f"{table}.jsonl"))


def scaled(letter, factor):
    return f.regexp_replace("follower_count", letter, "").cast("int") * factor


pin = read("pin")
pin = pin.withColumns({name: f.when(~f.col(name).isin(MARKERS), f.col(name)) for name in PIN_TEXTS})
pin = pin.withColumns({
    "ind": f.col("index").cast("int"),
    "follower_count": f.when(f.col("follower_count").contains("k"), scaled("k", 1000))
    .when(f.col("follower_count").contains("M"), scaled("M", 1_000_000))
    .otherwise(f.col("follower_count").cast("int")),
    "save_location": f.regexp_replace("save_location", "Local save in ", ""),
}).select(PIN)
geo = read("geo").select(
    f.col("ind").cast("int"),
    "country",
    f.array("latitude", "longitude").alias("coordinates"),
    f.to_timestamp("timestamp").alias("timestamp"),
)
user = read("user").select(
    f.col("ind").cast("int"),
    f.concat("first_name", f.lit(" "), "last_name").alias("user_name"),
    f.col("age").cast("int"),
    f.to_timestamp("date_joined").alias("date_joined"),
)
for name, table in (("pin", pin), ("geo", geo), ("usr", user)):
    if lake:
        table.write.parquet(str(lake / name))
        table = spark.read.parquet(str(lake / name))
    else:
        table = table.cache()
    table.createOrReplaceTempView(name)

age_group = "CASE " + " ".join(f"WHEN age BETWEEN {low} AND {high} THEN '{name}'" for low, high, name in AGE_GROUPS) + " END"
places = "geo JOIN pin USING (ind)"
people = "usr JOIN pin USING (ind)"
joined_years = "WHERE year(date_joined) BETWEEN 2015 AND 2020"
median = "percentile_approx(follower_count, 0.5) AS median_follower_count"
QUESTIONS = {
    "task4": f"""
        WITH counts AS (SELECT country, category, count(*) AS category_count FROM {places} WHERE country IS NOT NULL GROUP BY ALL)
        SELECT * FROM counts QUALIFY category_count = max(category_count) OVER (PARTITION BY country)""",
    "task5": f"""
        SELECT year(timestamp) AS post_year, category, count(*) AS category_count FROM {places}
        WHERE year(timestamp) BETWEEN 2018 AND 2022 GROUP BY ALL""",
    "task6_part1": f"""
        SELECT country, poster_name, follower_count FROM {places}
        QUALIFY rank() OVER (PARTITION BY country ORDER BY follower_count DESC) = 1""",
    "task6_part2": f"""
        SELECT country, max(follower_count) AS follower_count FROM {places} GROUP BY country
        ORDER BY follower_count DESC LIMIT 1""",
    "task7": f"""
        WITH counts AS (SELECT {age_group} AS age_group, category, count(*) AS category_count FROM {people} GROUP BY ALL)
        SELECT * FROM counts QUALIFY category_count = max(category_count) OVER (PARTITION BY age_group)""",
    "task8": f"SELECT {age_group} AS age_group, {median} FROM {people} GROUP BY ALL",
    "task9": f"SELECT year(date_joined) AS post_year, count(*) AS number_users_joined FROM usr {joined_years} GROUP BY ALL",
    "task10": f"SELECT year(date_joined) AS post_year, {median} FROM {people} {joined_years} GROUP BY ALL",
    "task11": f"""
        SELECT {age_group} AS age_group, year(date_joined) AS post_year, {median} FROM {people} {joined_years} GROUP BY ALL""",
}
for name, sql in QUESTIONS.items():
    answer = spark.sql(sql)
    write(answers, name, answer.columns, answer.collect())
spark.stop()
