-- Questions to the cleaned tables, and to the raw ones, in Spark's words. Each begins with a line `-- name: …`.
-- Whatever is left open by ties is ordered, so that both answers are in one order.

-- name: task 4, the most popular categories of each country
SELECT country, category, category_count
FROM (
  SELECT g.country, p.category, COUNT(*) AS category_count, MAX(COUNT(*)) OVER (PARTITION BY g.country) AS most
  FROM global_temp.df_pin_temp_view p JOIN global_temp.df_geo_temp_view g ON p.ind = g.ind
  GROUP BY g.country, p.category
)
WHERE category_count = most AND country IS NOT NULL
ORDER BY country, category_count DESC, category

-- name: task 5, posts per category and year
SELECT YEAR(g.timestamp) AS post_year, p.category, COUNT(*) AS category_count
FROM global_temp.df_pin_temp_view AS p INNER JOIN global_temp.df_geo_temp_view AS g ON p.ind = g.ind
WHERE YEAR(g.timestamp) BETWEEN 2018 AND 2022
GROUP BY YEAR(g.timestamp), p.category
ORDER BY post_year DESC, category_count DESC, category

-- name: task 6, the users with most followers
SELECT g.country, p.poster_name, p.follower_count
FROM global_temp.df_pin_temp_view p JOIN global_temp.df_geo_temp_view g ON p.ind = g.ind
QUALIFY RANK() OVER (PARTITION BY g.country ORDER BY p.follower_count DESC) = 1
ORDER BY country, poster_name, follower_count

-- name: task 7, the most popular category of each age group
WITH ages AS (
  SELECT u.ind, CASE
    WHEN u.age BETWEEN 18 AND 24 THEN '18-24' WHEN u.age BETWEEN 25 AND 35 THEN '25-35'
    WHEN u.age BETWEEN 36 AND 50 THEN '36-50' WHEN u.age > 50 THEN '50+' END AS age_group
  FROM global_temp.df_user_temp_view u
),
counts AS (
  SELECT age_group, category, COUNT(*) AS category_count
  FROM ages JOIN global_temp.df_pin_temp_view p ON ages.ind = p.ind
  GROUP BY age_group, category
)
SELECT age_group, category, category_count FROM counts
QUALIFY RANK() OVER (PARTITION BY age_group ORDER BY category_count DESC) = 1
ORDER BY age_group, category

-- name: tasks 8, 10 and 11, medians by age group and year
SELECT
  CASE WHEN u.age BETWEEN 18 AND 24 THEN '18-24' WHEN u.age BETWEEN 25 AND 35 THEN '25-35'
    WHEN u.age BETWEEN 36 AND 50 THEN '36-50' WHEN u.age > 50 THEN '50+' END AS age_group,
  YEAR(u.date_joined) AS post_year,
  percentile_approx(p.follower_count, 0.5) AS median_follower_count,
  percentile(p.follower_count, 0.5) AS exact_median,
  COUNT(p.follower_count) AS counted
FROM global_temp.df_user_temp_view u JOIN global_temp.df_pin_temp_view p ON u.ind = p.ind
GROUP BY 1, 2
ORDER BY age_group, post_year DESC

-- name: task 9, users joined per year
SELECT YEAR(date_joined) AS post_year, COUNT(*) AS number_users_joined
FROM global_temp.df_user_temp_view
WHERE YEAR(date_joined) BETWEEN 2015 AND 2020
GROUP BY 1
ORDER BY 1 DESC

-- name: casts of what is dirty
SELECT CAST(index AS INT) AS a, CAST(follower_count AS INT) AS b, CAST(follower_count AS DOUBLE) AS c,
  CAST(downloaded AS BOOLEAN) AS d, follower_count > 5 AS e, CAST(unique_id AS STRING) AS f
FROM raw_pin
ORDER BY a, b, c, d, e, f

-- name: times of what is dirty
SELECT timestamp AS t, to_timestamp(timestamp) AS a, to_date(timestamp) AS b, YEAR(timestamp) AS c,
  date_format(timestamp, 'yyyy-MM') AS d, date_trunc('month', timestamp) AS e, datediff(timestamp, '2018-01-01') AS f,
  unix_timestamp(timestamp) AS g, HOUR(timestamp) AS h, dayofweek(timestamp) AS i
FROM raw_geo
ORDER BY t, a, b, c

-- name: texts of what is dirty
SELECT title, length(title) AS a, upper(title) AS b, regexp_extract(title, '([a-z]+) (\\d+)', 2) AS c,
  regexp_replace(title, '[^a-z]+', '-') AS d, split(title, ' ') AS e, size(split(title, '\\s+')) AS f,
  substring(title, 2, 3) AS g, concat_ws('/', title, category) AS h, initcap(title) AS i, title ILIKE '%a_%' AS j,
  instr(title, 'a') AS k, lpad(title, 4, '*') AS l, trim(title) AS m
FROM raw_pin
ORDER BY title, h

-- name: tags, one a row
SELECT tag, COUNT(*) AS n, COUNT(DISTINCT ind) AS posts
FROM global_temp.df_pin_temp_view LATERAL VIEW explode(split(tag_list, ',')) t AS tag
GROUP BY tag
HAVING n > 1
ORDER BY n DESC, tag

-- name: collected and counted
SELECT category, sort_array(collect_set(is_image_or_video)) AS kinds, count_if(follower_count > 1000) AS large,
  MAX(follower_count) AS most, AVG(follower_count) AS mean, COUNT(*) FILTER (WHERE title IS NULL) AS untitled
FROM global_temp.df_pin_temp_view
GROUP BY category
ORDER BY category
