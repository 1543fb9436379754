"""The pipeline in DuckDB's SQL: with_duckdb.py ROWS ANSWERS [LAKE]

Without LAKE the columns are told, and the tables are held in memory. With it the columns are found out as DuckDB does (of the
first 20,480 rows), and each table is a Parquet file, from which the questions read: that is faster than to hold it in memory
and to write it, and than a database file of DuckDB's own. The extension for Delta tables is not in the package.
"""

import duckdb

from pinterest import AGE_GROUPS, MARKERS, PIN, PIN_TEXTS, folders, write

rows, answers, lake = folders()
db = duckdb.connect()
db.execute("SET threads = 2; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")

markers = ", ".join(f"'{marker}'" for marker in MARKERS)


def unmarked(column):
    # Of the first rows alone, `unique_id` is taken for a UUID.
    return f"CASE WHEN {column}::VARCHAR NOT IN ({markers}) THEN {column}::VARCHAR END"


def read(table, columns):
    types = ", ".join(f"'{name}': '{type_}'" for name, type_ in columns.items())
    told = "" if lake else f", columns = {{{types}}}"
    return f"read_json('{rows}/{table}.jsonl', format = 'newline_delimited'{told})"


def keep(table, select):
    if lake:
        db.execute(f"COPY ({select}) TO '{lake}/{table}.parquet'")
        db.execute(f"CREATE VIEW {table} AS FROM '{lake}/{table}.parquet'")
    else:
        db.execute(f"CREATE TABLE {table} AS {select}")


followers = """
    CASE
      WHEN contains(follower_count, 'k') THEN TRY_CAST(replace(follower_count, 'k', '') AS INTEGER) * 1000
      WHEN contains(follower_count, 'M') THEN TRY_CAST(replace(follower_count, 'M', '') AS INTEGER) * 1000000
      ELSE TRY_CAST(follower_count AS INTEGER)
    END"""
made = {
    "ind": 'TRY_CAST("index" AS INTEGER)',
    "follower_count": followers,
    "save_location": "replace(save_location, 'Local save in ', '')",
}
keep("pin", f"""
    SELECT {", ".join(f"{made.get(column, column)} AS {column}" for column in PIN)}
    FROM (
      SELECT * REPLACE ({", ".join(f"{unmarked(column)} AS {column}" for column in PIN_TEXTS)})
      FROM {read("pin", {"index": "BIGINT", **dict.fromkeys(PIN_TEXTS, "VARCHAR"), "downloaded": "BIGINT"})}
    )""")
geo_types = {"ind": "BIGINT", "timestamp": "VARCHAR", "latitude": "DOUBLE", "longitude": "DOUBLE", "country": "VARCHAR"}
keep("geo", f"""
    SELECT TRY_CAST(ind AS INTEGER) AS ind, country, [latitude, longitude] AS coordinates,
           TRY_CAST("timestamp" AS TIMESTAMP) AS "timestamp"
    FROM {read("geo", geo_types)}""")
user_types = {"ind": "BIGINT", "first_name": "VARCHAR", "last_name": "VARCHAR", "age": "BIGINT", "date_joined": "VARCHAR"}
keep("usr", f"""
    SELECT TRY_CAST(ind AS INTEGER) AS ind, first_name || ' ' || last_name AS user_name,
           TRY_CAST(age AS INTEGER) AS age, TRY_CAST(date_joined AS TIMESTAMP) AS date_joined
    FROM {read("user", user_types)}""")

age_group = "CASE " + " ".join(f"WHEN age BETWEEN {low} AND {high} THEN '{name}'" for low, high, name in AGE_GROUPS) + " END"
places = "geo JOIN pin USING (ind)"
people = "usr JOIN pin USING (ind)"
joined_years = "WHERE year(date_joined) BETWEEN 2015 AND 2020"
median = "quantile_disc(follower_count, 0.5) AS median_follower_count"
QUESTIONS = {
    "task4": f"""
        SELECT country, category, count(*) AS category_count FROM {places} WHERE country IS NOT NULL GROUP BY 1, 2
        QUALIFY category_count = max(category_count) OVER (PARTITION BY country)""",
    "task5": f"""
        SELECT year("timestamp") AS post_year, category, count(*) AS category_count FROM {places}
        WHERE post_year BETWEEN 2018 AND 2022 GROUP BY ALL""",
    "task6_part1": f"""
        SELECT country, poster_name, follower_count FROM {places}
        QUALIFY rank() OVER (PARTITION BY country ORDER BY follower_count DESC NULLS LAST) = 1""",
    "task6_part2": f"""
        SELECT country, max(follower_count) AS follower_count FROM {places} GROUP BY country
        ORDER BY follower_count DESC NULLS LAST LIMIT 1""",
    "task7": f"""
        SELECT {age_group} AS age_group, category, count(*) AS category_count FROM {people} GROUP BY 1, 2
        QUALIFY category_count = max(category_count) OVER (PARTITION BY age_group)""",
    "task8": f"SELECT {age_group} AS age_group, {median} FROM {people} GROUP BY ALL",
    "task9": f"SELECT year(date_joined) AS post_year, count(*) AS number_users_joined FROM usr {joined_years} GROUP BY ALL",
    "task10": f"SELECT year(date_joined) AS post_year, {median} FROM {people} {joined_years} GROUP BY ALL",
    "task11": f"""
        SELECT {age_group} AS age_group, year(date_joined) AS post_year, {median} FROM {people} {joined_years} GROUP BY ALL""",
}
for name, sql in QUESTIONS.items():
    answer = db.execute(sql)
    write(answers, name, [column[0] for column in answer.description], answer.fetchall())
