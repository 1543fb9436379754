-- Statements whose answers Updraft and Spark must agree on, one a line. `make test-spark` asks Spark anew;
-- answers.jsonl has what Spark 4.3.0 said (ANSI off, UTC), and the tests of `operators` hold Updraft to it.
SELECT CAST('20.9' AS INT), CAST(' 7 ' AS INT), CAST('x' AS INT), CAST('3000000000' AS INT), CAST('1e3' AS INT)
SELECT CAST(20.9D AS INT), CAST(-20.9D AS BIGINT), CAST(1e20D AS INT), CAST(true AS INT), CAST(3000000000 AS INT)
SELECT CAST('1.5' AS DOUBLE), CAST('abc' AS DOUBLE), CAST('1.25' AS FLOAT), CAST(1 AS DOUBLE)
SELECT CAST(1.5D AS STRING), CAST(1e10D AS STRING), CAST(true AS STRING), CAST(12 AS STRING), CAST(DATE '2018-03-04' AS STRING)
SELECT CAST('yes' AS BOOLEAN), CAST('maybe' AS BOOLEAN), CAST(0 AS BOOLEAN), CAST('2018-03-04 05:06:07.5' AS TIMESTAMP)
SELECT CAST('2018-03-04T05:06' AS DATE), CAST('nothing' AS DATE), CAST('2018' AS DATE), '7'::INT, TRY_CAST('x' AS INT)
SELECT CAST('12.345' AS DECIMAL(10,2)), CAST('x' AS DECIMAL(10,2)), CAST(1234567 AS DECIMAL(5,2))
SELECT CAST('9' AS TINYINT), CAST('99999' AS SMALLINT), CAST('9' AS LONG), CAST('2.5' AS REAL)
SELECT 7 / 2, 1 / 0, 7 % 3, 7 % 0, -7 % 3, 7 DIV 2, 7 DIV 0
SELECT 1 + 2 * 3, 5 - 7, -(-3), 0.1D + 0.2D, 3 * 1.5D
SELECT 'a' || 'b', 'a' || NULL, concat('a', 'b', 'c'), concat('a', NULL), concat_ws('-', 'a', NULL, 'b'), concat_ws('-')
SELECT '1' + 1, '2' * '3', 'x' + 1, '7' = 7, 'x' = 7, '10' < 9
SELECT NULL <=> NULL, 1 <=> NULL, 1 <=> 1, NOT (1 <=> 2), NULL = NULL, 1 = NULL
SELECT 1 IN (1, NULL), 2 IN (1, NULL), 2 NOT IN (1, 3), 2 BETWEEN 1 AND 3, NULL IS NULL
SELECT true AND NULL, false AND NULL, true OR NULL, NOT NULL, !true
SELECT 'Abc' LIKE 'a%', 'Abc' ILIKE 'a%', 'abc' RLIKE '^a.c$', 'abc' REGEXP 'b', 'a_c' LIKE 'a\_c', 'abc' LIKE 'a\_c', 'abc' NOT LIKE '%z%'
SELECT "double quoted", 'it''s', 'it\'s', 'tab\there', 'back\\slash', '\d', "say \"hi\""
SELECT upper('aé'), lower('AÉ'), length('aé '), char_length('abc'), trim('  a '), ltrim(' a'), rtrim('a '), initcap('hello wORLD')
SELECT substring('hello', 2, 3), substring('hello', -3, 2), substr('hello', 0, 2), substring('hello', 10), substring('hello' FROM 2 FOR 2), left('hello', 2), right('hello', 2)
SELECT replace('abcabc', 'b', 'x'), replace('abc', 'b'), translate('abc', 'ab', 'xy'), reverse('abc'), repeat('ab', 3), lpad('a', 3, '-'), rpad('a', 3, '-'), lpad('abc', 2)
SELECT instr('hello', 'l'), locate('l', 'hello'), locate('l', 'hello', 4), position('l' IN 'hello'), position('z', 'hello'), ascii('a'), chr(97), find_in_set('b', 'a,b,c')
SELECT regexp_extract('100-200', '(\\d+)-(\\d+)', 1), regexp_extract('100-200', '(\\d+)-(\\d+)', 2), regexp_extract('foo', '(\\d+)', 1), regexp_extract('100-200', '(\\d+)'), regexp_extract(NULL, 'a', 0), regexp_extract('a1b', '[0-9]', 0)
SELECT regexp_replace('a1b22c', '\\d+', '#'), regexp_replace('Local save in /data/art', '^Local save in ', ''), regexp_replace('abc', '(b)', '[$1]'), regexp_like('abc', 'b'), regexp_count('abab', 'a'), regexp_extract_all('100-200', '(\\d+)', 1)
SELECT split('a,b,,c', ','), split('a1b2c', '[0-9]'), split('a,b,c', ',', 2), split('', ','), split('abc', ''), split('a.b', '\\.'), split_part('a.b.c', '.', 2), split('a,b,', ',')
SELECT size(array(1, 2, 3)), size(NULL), size(array()), cardinality(array(1)), array_size(array(1, 2)), size(split('a,b', ','))
SELECT array_contains(array(1, 2), 2), array_contains(array(1, NULL), 2), array_contains(array('a'), 'a'), array_contains(CAST(NULL AS ARRAY<INT>), 1)
SELECT array(1, 2)[0], array(1, 2)[1], array(1, 2)[2], split('a,b', ',')[1], element_at(array(1, 2), 1), element_at(array(1, 2), -1), array('x', 'y')[NULL]
SELECT array_join(array('a', NULL, 'b'), ','), array_join(array('a', NULL, 'b'), ',', '?'), sort_array(array(3, 1, NULL, 2)), sort_array(array(3, 1, NULL), false), array_distinct(array(1, 2, 1)), array_max(array(1, 3)), array_min(array(1, NULL))
SELECT array_position(array(3, 2), 2), array_remove(array(1, 2, 1), 1), array_union(array(1, 2), array(2, 3)), array_intersect(array(1, 2), array(2, 3)), array_except(array(1, 2), array(2)), arrays_overlap(array(1), array(1, 2)), slice(array(1, 2, 3), 2, 2), flatten(array(array(1), array(2, 3)))
SELECT transform(array(1, 2), x -> x * 10), filter(array(1, 2, 3), x -> x > 1), exists(array(1, 2), x -> x = 2), sequence(1, 3), array_append(array(1), 2), array_repeat('a', 2)
SELECT map('a', 1)['a'], map_keys(map('a', 1, 'b', 2)), map_values(map('a', 1)), element_at(map('a', 1), 'a')
SELECT if(1 > 0, 'yes', 'no'), if(CAST(NULL AS BOOLEAN), 1, 2), nvl(NULL, 'x'), ifnull(NULL, 1), nvl2(NULL, 1, 2), coalesce(NULL, NULL, 3), nullif(1, 1), isnull(NULL), isnotnull(1), decode(2, 1, 'a', 2, 'b', 'c')
SELECT CASE WHEN NULL = 1 THEN 1 ELSE 2 END, CASE 3 WHEN 3 THEN 'three' END, CASE WHEN false THEN 1 END, greatest(1, NULL, 3), least(2, 1, NULL)
SELECT abs(-3), ceil(1.2D), floor(-1.2D), ceil(5), round(2.5D), round(-2.5D), round(1.005D, 2), round(1234, -2), sign(-3), sqrt(16), pow(2, 10), power(2, 0.5D), mod(7, 3), pmod(-7, 3)
SELECT exp(0), ln(1), log(10, 100), log10(1000), log2(8), cbrt(27D), pi(), degrees(0), sin(0), hypot(3, 4), rint(2.5D), factorial(5), ln(0), sqrt(-1), log(2.718281828459045D)
SELECT year('2018-03-04'), month('2018-03-04'), day('2018-03-04'), quarter('2018-03-04'), dayofweek('2018-03-04'), dayofyear('2018-03-04'), weekofyear('2018-03-04'), weekday('2018-03-04'), hour('2018-03-04 05:06:07'), minute('2018-03-04 05:06:07'), second('2018-03-04 05:06:07')
SELECT extract(YEAR FROM TIMESTAMP '2018-03-04 05:06:07'), extract(HOUR FROM TIMESTAMP '2018-03-04 05:06:07'), date_part('month', DATE '2018-03-04'), extract(DOW FROM DATE '2018-03-04'), extract(WEEK FROM DATE '2018-03-04')
SELECT to_timestamp('2018-03-04 05:06:07'), to_timestamp('nothing'), to_timestamp('04/03/2018 05:06', 'dd/MM/yyyy HH:mm'), to_timestamp('2018-03-04', 'yyyy-MM-dd'), to_timestamp('x', 'yyyy-MM-dd'), to_date('2018-03-04 05:06:07'), to_date('04.03.2018', 'dd.MM.yyyy'), to_date('x')
SELECT date_format(TIMESTAMP '2018-03-04 05:06:07', 'yyyy-MM-dd'), date_format('2018-03-04 05:06:07', 'yyyy/MM'), date_format(DATE '2018-03-04', 'MMM d, yyyy'), date_format(TIMESTAMP '2018-03-04 15:06:07', 'hh:mm a'), date_format(DATE '2018-03-04', 'EEEE'), date_format(DATE '2018-03-04', 'E'), date_format(TIMESTAMP '2018-03-04 05:06:07.123', 'HH:mm:ss.SSS'), date_format(DATE '2018-12-04', 'MMMM yy'), date_format(NULL, 'yyyy'), date_format(DATE '2018-03-04', "yyyy'Q'q")
SELECT date_trunc('MONTH', TIMESTAMP '2018-03-14 05:06:07'), date_trunc('week', TIMESTAMP '2018-03-14 05:06:07'), date_trunc('hour', '2018-03-14 05:06:07'), date_trunc('YEAR', DATE '2018-03-14'), date_trunc('quarter', TIMESTAMP '2018-05-14 05:06:07'), date_trunc('DAY', TIMESTAMP '2018-03-14 05:06:07'), trunc('2018-03-14', 'MM'), trunc(DATE '2018-03-14', 'YEAR'), trunc(DATE '2018-03-14', 'nothing')
SELECT date_add(DATE '2018-02-28', 1), date_add('2018-02-28', 2), date_sub(DATE '2018-03-01', 1), datediff(DATE '2018-03-04', DATE '2018-03-01'), datediff('2018-03-04 05:00:00', '2018-03-01'), add_months(DATE '2018-01-31', 1), months_between(DATE '2018-03-31', DATE '2018-02-28'), last_day(DATE '2018-02-03'), next_day(DATE '2018-03-04', 'Mon')
SELECT DATE '2018-03-04' + INTERVAL 1 DAY, TIMESTAMP '2018-03-04 05:06:07' - INTERVAL '2' HOUR, DATE '2018-01-31' + INTERVAL 1 MONTH, TIMESTAMP '2018-03-04 00:00:00' + INTERVAL '1' YEAR, DATE '2018-03-04' + INTERVAL 2 WEEKS, date_add(DATE '2018-03-04', -1)
SELECT unix_timestamp('2018-03-04 05:06:07'), unix_timestamp('04/03/2018', 'dd/MM/yyyy'), from_unixtime(0), from_unixtime(1520139967, 'yyyy-MM-dd'), to_unix_timestamp('1970-01-02', 'yyyy-MM-dd'), make_date(2018, 3, 4), timestamp_seconds(1), date_from_unix_date(1), unix_date(DATE '1970-01-03')
SELECT md5('a'), sha1('a'), sha2('a', 256), crc32('a'), hex('a'), hex(255), base64('a'), bin(5), soundex('Robert'), levenshtein('kitten', 'sitting'), format_number(1234567.891D, 2), format_string('%s-%d', 'a', 1)
SELECT DATE '2018-03-04' < '2018-03-05', TIMESTAMP '2018-03-04 05:06:07' > '2018-03-04', DATE '2018-03-04' = '2018-03-04', '2018-03-04' < DATE '2018-03-05'
SELECT current_date() = current_date(), current_timestamp() >= TIMESTAMP '2018-01-01 00:00:00', now() IS NOT NULL
SELECT count(*), count(v), sum(v), avg(v), min(v), max(v), count(DISTINCT v) FROM VALUES (1), (2), (2), (NULL) AS t(v)
SELECT count_if(v > 1), sum(v) FILTER (WHERE v > 1), bool_or(v > 2), bool_and(v > 0), any(v > 1), every(v > 1), some(v > 1) FROM VALUES (1), (2), (3) AS t(v)
SELECT percentile_approx(v, 0.5), approx_percentile(v, 0.25), percentile(v, 0.5), median(v), percentile_cont(0.5) WITHIN GROUP (ORDER BY v), percentile_disc(0.5) WITHIN GROUP (ORDER BY v) FROM VALUES (1), (2), (10), (20), (NULL) AS t(v)
SELECT percentile_approx(v, array(0.25, 0.5, 0.75)), percentile(v, array(0.25, 0.75)), percentile_approx(v, 0.5, 100), percentile_disc(0.5) WITHIN GROUP (ORDER BY v DESC) FROM VALUES (1), (2), (2), (10), (20) AS t(v)
SELECT percentile_approx(v, 0.5), percentile(v, 0.5), median(v), avg(v), sum(v), max(v) FROM VALUES (CAST(NULL AS INT)) AS t(v)
SELECT sort_array(collect_list(v)), sort_array(collect_set(v)), size(collect_list(v)), array_join(sort_array(collect_set(v)), '-') FROM VALUES ('b'), ('a'), ('b'), (NULL) AS t(v)
SELECT stddev(v), stddev_pop(v), variance(v), var_pop(v), stddev_samp(v) FROM VALUES (1.0D), (2.0D), (4.0D) AS t(v)
SELECT corr(a, b), covar_pop(a, b), covar_samp(a, b), max_by(a, b), min_by(a, b), approx_count_distinct(a) FROM VALUES (1.0D, 3.0D), (2.0D, 5.0D), (4.0D, 1.0D) AS t(a, b)
SELECT first(v), last(v), first_value(v), last_value(v), any_value(w) FROM VALUES (1, 'x') AS t(v, w)
SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS rn, rank() OVER (PARTITION BY k ORDER BY v DESC) AS r, dense_rank() OVER (PARTITION BY k ORDER BY v DESC) AS d FROM VALUES ('a', 1), ('a', 2), ('a', 2), ('b', NULL), ('b', 5) AS t(k, v) ORDER BY k, rn
SELECT v, lag(v) OVER (ORDER BY v) AS p, lead(v, 1, 0) OVER (ORDER BY v) AS n, sum(v) OVER (ORDER BY v) AS s, ntile(2) OVER (ORDER BY v) AS q, percent_rank() OVER (ORDER BY v) AS pr, cume_dist() OVER (ORDER BY v) AS cd, avg(v) OVER () AS a FROM VALUES (1), (2), (4) AS t(v) ORDER BY v
SELECT v, sum(v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, first_value(v) OVER (ORDER BY v) AS f, last_value(v) OVER (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS l, count(*) OVER (PARTITION BY v % 2) AS c FROM VALUES (1), (2), (4) AS t(v) ORDER BY v
SELECT k, v FROM VALUES ('a', 1), ('a', 3), ('b', 2) AS t(k, v) QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) = 1 ORDER BY k
SELECT DISTINCT k FROM VALUES ('b'), ('a'), ('b'), (NULL) AS t(k) ORDER BY k
SELECT k, count(*) AS n FROM VALUES ('b'), ('a'), ('b') AS t(k) GROUP BY k HAVING n > 1 ORDER BY n DESC
SELECT k, sum(v) AS s FROM VALUES ('a', 1), ('b', 2) AS t(k, v) GROUP BY ROLLUP(k) ORDER BY k, s
SELECT k, sum(v) AS s FROM VALUES ('a', 1), ('b', 2) AS t(k, v) GROUP BY k WITH ROLLUP ORDER BY k, s
SELECT k, sum(v) AS s FROM VALUES ('a', 1), ('b', 2) AS t(k, v) GROUP BY ALL ORDER BY ALL
SELECT explode(array(1, 2)) AS v ORDER BY v
SELECT k, explode_outer(v) AS w FROM VALUES ('a', array(1, 2)), ('b', array()) AS t(k, v) ORDER BY k, w
SELECT t.k, tag FROM VALUES ('a', 'x,y'), ('b', 'z') AS t(k, tags) LATERAL VIEW explode(split(tags, ',')) e AS tag ORDER BY k, tag
SELECT k, e.tag FROM VALUES ('a', array(1)), ('b', NULL) AS t(k, tags) LATERAL VIEW OUTER explode(tags) e AS tag ORDER BY k
SELECT k, tag FROM VALUES ('a', array(1)), ('b', array()) AS t(k, tags) LATERAL VIEW explode(tags) AS tag ORDER BY k
SELECT k, p, tag FROM VALUES ('a', 'x,y') AS t(k, tags) LATERAL VIEW posexplode(split(tags, ',')) e AS p, tag ORDER BY p
SELECT k, a, b FROM VALUES ('a', array(1, 2), array(3)) AS t(k, x, y) LATERAL VIEW explode(x) AS a LATERAL VIEW explode(y) AS b ORDER BY a, b
SELECT k, v FROM (SELECT map('a', 1, 'b', 2) AS m) LATERAL VIEW explode(m) AS k, v ORDER BY k
SELECT tag, count(*) AS n FROM VALUES ('x,y'), ('y') AS t(tags) LATERAL VIEW explode(split(tags, ',')) AS tag WHERE tag <> 'z' GROUP BY tag ORDER BY n DESC, tag
SELECT a.k, b.v FROM VALUES (1), (2) AS a(k) LEFT JOIN VALUES (1, 'x') AS b(k, v) ON a.k = b.k ORDER BY a.k
SELECT a.k FROM VALUES (1), (2) AS a(k) LEFT SEMI JOIN VALUES (1) AS b(k) ON a.k = b.k
SELECT a.k FROM VALUES (1), (2) AS a(k) LEFT ANTI JOIN VALUES (1) AS b(k) ON a.k = b.k
SELECT k, v FROM VALUES (1, 'x') AS a(k, v) JOIN VALUES (1, 'y') AS b(k, w) USING (k)
SELECT a.k, b.k FROM VALUES (1), (NULL) AS a(k) JOIN VALUES (1), (NULL) AS b(k) ON a.k <=> b.k ORDER BY a.k
SELECT k FROM VALUES (1), (2), (2) AS a(k) EXCEPT SELECT k FROM VALUES (1) AS b(k)
SELECT k FROM VALUES (1), (2) AS a(k) INTERSECT SELECT k FROM VALUES (2), (3) AS b(k)
SELECT k FROM VALUES (1), (2) AS a(k) MINUS SELECT k FROM VALUES (1) AS b(k)
SELECT k FROM VALUES (1), (2), (3) AS a(k) WHERE k > (SELECT avg(k) FROM VALUES (1), (3) AS b(k)) ORDER BY k
SELECT k FROM VALUES (1), (2) AS a(k) WHERE EXISTS (SELECT 1 FROM VALUES (2) AS b(j) WHERE b.j = a.k)
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT a.x, b.y FROM a CROSS JOIN b
SELECT * EXCEPT (b) FROM VALUES (1, 2, 3) AS t(a, b, c)
SELECT k FROM VALUES ('b'), ('a'), (NULL) AS t(k) ORDER BY k DESC NULLS FIRST
SELECT k FROM VALUES ('b'), ('a'), (NULL) AS t(k) ORDER BY k NULLS LAST LIMIT 2 OFFSET 1
SELECT id FROM range(3) ORDER BY id
SELECT count(*) AS n, CASE WHEN v BETWEEN 18 AND 24 THEN '18-24' WHEN v > 50 THEN '50+' END AS g FROM VALUES (20), (60), (NULL), (3) AS t(v) GROUP BY 2 ORDER BY g
SELECT get_json_object('{"a": {"b": 5}}', '$.a.b'), get_json_object('{"a": [1, 2]}', '$.a[1]')
SELECT string(1), int('7'), double('1.5'), date('2018-03-04'), timestamp('2018-03-04 05:06:07'), boolean('true'), bigint('8')
SELECT contains('hello', 'ell'), startswith('hello', 'he'), endswith('hello', 'lo'), char(65), lcase('A'), ucase('a'), btrim('  x '), trim(BOTH 'x' FROM 'xax'), trim(LEADING 'x' FROM 'xax'), substring_index('a.b.c', '.', 2), substring_index('/data/art', '/', -1), overlay('abcdef' PLACING 'X' FROM 2 FOR 3)
SELECT sum(v) AS s, avg(v) AS a FROM VALUES (CAST(1.10 AS DECIMAL(10,2))), (CAST(2.25 AS DECIMAL(10,2))) AS t(v)
SELECT try_divide(1, 0), try_add(1, 2), nanvl(CAST('NaN' AS DOUBLE), 5D), isnan(CAST('NaN' AS DOUBLE)), CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE), zeroifnull(NULL), equal_null(NULL, NULL)
SELECT uuid() IS NOT NULL, rand() < 1
SELECT date_diff(DATE '2018-03-04', DATE '2018-03-01'), dateadd(DATE '2018-03-04', 2), dayname(DATE '2018-03-04'), monthname(DATE '2018-03-04')
SELECT a FROM VALUES (3), (1), (2) AS t(a) SORT BY a DESC
SELECT a, count(*) AS n FROM VALUES (3), (1), (3) AS t(a) GROUP BY a DISTRIBUTE BY a SORT BY a
SELECT dateadd(DAY, 3, DATE '2018-03-04'), dateadd(MONTH, 1, TIMESTAMP '2018-01-31 05:06:07'), date_add(HOUR, -5, TIMESTAMP '2018-03-04 02:00:00'), timestampadd(QUARTER, 2, TIMESTAMP '2018-03-04 05:06:07'), dateadd(WEEK, 1, '2018-03-04'), dateadd(MICROSECOND, 5, TIMESTAMP '2018-03-04 00:00:00')
SELECT datediff(DAY, DATE '2018-03-01', DATE '2018-03-04'), datediff(MONTH, DATE '2018-01-31', DATE '2018-03-30'), timestampdiff(HOUR, TIMESTAMP '2018-03-04 05:30:00', TIMESTAMP '2018-03-04 07:00:00'), datediff(YEAR, DATE '2020-02-29', DATE '2019-02-28'), timestampdiff(MONTH, TIMESTAMP '2018-03-04 05:06:07', TIMESTAMP '2018-01-04 05:06:08'), datediff(WEEK, DATE '2018-03-01', DATE '2018-03-21'), timestampdiff(DAY, NULL, DATE '2018-03-01')
-- Values as columns, and columns as values.
SELECT * FROM (SELECT * FROM VALUES (1, 'a', 10), (1, 'b', 20), (2, 'a', 30), (2, 'a', 5), (3, 'c', NULL) AS t(k, Kind, v)) PIVOT (sum(v) FOR kind IN ('a', 'b', 'Z')) ORDER BY k
SELECT * FROM (SELECT * FROM VALUES (1, 'a', 10), (1, 'b', 20), (2, 'a', 30), (2, 'a', 5), (3, NULL, 7) AS t(k, kind, v)) PIVOT (count(*) AS n, max(v) AS most FOR kind IN ('a' AS First, 'b', NULL)) ORDER BY k
SELECT * FROM (SELECT * FROM VALUES (1, 2018, 'a', 10), (1, 2019, 'a', 20), (2, 2018, 'b', 30) AS t(k, year, kind, v)) PIVOT (count(v), avg(v) FOR (year, kind) IN ((2018, 'a'), (2019, 'a') AS last)) ORDER BY k
SELECT * FROM (SELECT year, v FROM VALUES (2018, 1), (2018, 2), (2020, 5) AS t(year, v)) PIVOT (sum(v) FOR year IN (2018, 2019, 2020))
SELECT p.k, first, `b` FROM (SELECT * FROM VALUES (1, 'a', 10), (1, 'b', 20), (2, 'a', 30) AS t(k, kind, v)) PIVOT (sum(v * 2) FOR kind IN ('a' AS first, 'b')) AS p ORDER BY p.k DESC
SELECT * FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t(k, Q1, q2)) UNPIVOT (v FOR quarter IN (Q1, q2 AS second)) ORDER BY k, v
SELECT * FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t(k, q1, q2)) UNPIVOT INCLUDE NULLS (v FOR quarter IN (q1, q2)) ORDER BY k, quarter
SELECT u.quarter, sum(v) FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40.5) AS t(k, q1, q2)) UNPIVOT (v FOR quarter IN (q1, q2)) AS u GROUP BY u.quarter ORDER BY 1
SELECT * FROM (SELECT * FROM VALUES (1, 1, 2, 3, 4), (2, NULL, NULL, 5, NULL) AS t(k, a1, b1, a2, b2)) UNPIVOT ((a, b) FOR half IN ((a1, b1) AS one, (a2, b2))) ORDER BY k, half
-- Columns that others after them use.
SELECT v + 1 AS a, a * 2 AS b, b + a AS c FROM VALUES (1), (2) AS t(v) ORDER BY v
SELECT v + 1 AS v, v * 2 AS w FROM VALUES (1), (2) AS t(v) ORDER BY w
SELECT k, sum(v) AS s, s / 2 AS half, count(*) AS n, s / n AS mean FROM VALUES (1, 10), (1, 20), (2, 5) AS t(k, v) GROUP BY k ORDER BY k
SELECT upper(name) AS Big, concat(big, '!') AS loud, length(loud) AS n FROM VALUES ('x') AS t(name)
SELECT a FROM (SELECT v AS x, x + 1 AS a FROM VALUES (1) AS t(v)) WHERE a > 1
-- Averages of some rows.
SELECT k, avg(v) FILTER (WHERE v > 10), mean(v) FILTER (WHERE v > 100), avg(v) FROM VALUES (1, 10), (1, 20), (2, 30) AS t(k, v) GROUP BY k ORDER BY k
-- Types that meet: what stands beside a text is a text, and a text that is summed up a number.
SELECT coalesce(1, 'x'), coalesce(NULL, 1, 'x'), coalesce(NULL, 'x', 1.5D), nvl(CAST(NULL AS INT), 'none'), if(true, 1, 'x'), if(1 > 2, 1e7D, 'x'), if(1 < 2, 1e7D, 'x'), if(NULL, 1, 2), coalesce(DATE '2018-03-04', 'x')
SELECT coalesce(v, 'none') AS c FROM VALUES (1), (NULL) AS t(v) ORDER BY c
SELECT coalesce(v, 0) AS c FROM VALUES ('a'), (NULL) AS t(v) ORDER BY c
SELECT v FROM VALUES (1), (NULL) AS t(v) WHERE coalesce(v, 'none') = 'none'
SELECT sum(v), avg(v), min(v), max(v), stddev(v), variance(v), median(v), percentile(v, 0.5), percentile_approx(v, 0.5) FROM VALUES ('1'), ('2.5'), ('x') AS t(v)
SELECT k, sum(v) OVER (ORDER BY k) AS s FROM VALUES ('1', 1), ('2', 2) AS t(v, k) ORDER BY k
SELECT corr(v, k), sum(v) FILTER (WHERE k > 1), avg(v) FILTER (WHERE k > 1) FROM VALUES ('1', 1), ('3', 2) AS t(v, k)
SELECT 1 || 'a', 1 || 2, true || 'x', DATE '2018-01-01' || 'x', 1.5D || 'a', NULL || 1
SELECT 1 IN ('1', 2), '1' IN (1, 2), 'x' IN (1, 2), 'x' NOT IN (1, 2), DATE '2018-01-01' IN ('2018-01-01'), 3 IN (1, 2), -1 IN (-1, 2), NULL IN (1), 2.5D IN (1, 2.5D)
SELECT v FROM VALUES ('a'), ('1'), (NULL) AS t(v) WHERE v IN (1, 2)
SELECT first(v, true), last(v, true), first(v), any_value(v, true), first(v, false) FROM VALUES (NULL), (1), (2), (NULL) AS t(v)
SELECT struct(1, 'x').col1, named_struct('a', 1, 'B', 2).b, named_struct('a', named_struct('c', 5)).a.c, named_struct('a', 1).a + 1, array(named_struct('a', 4))[0].a
SELECT s.a[0].b, s.a[1].b FROM VALUES (named_struct('a', array(named_struct('b', 7)))) AS t(s)
SELECT extract(DAY FROM '2018-03-04'), extract(DOW FROM DATE '2018-03-04'), extract(WEEK FROM '2018-01-01'), extract(DOY FROM DATE '2018-03-04'), extract(QUARTER FROM '2018-03-04'), extract(MINUTE FROM '2018-03-04 05:06:07')
SELECT array_position(array(1, 2), 5), array_position(array(1, 2), 2), array_position(CAST(NULL AS ARRAY<INT>), 2), array_position(array('a'), 'a')
SELECT count(DISTINCT a, b), count(DISTINCT a) FROM VALUES (1, 2), (1, NULL), (1, 2), (2, 2) AS t(a, b)
SELECT col1 FROM VALUES (1), (2) ORDER BY col1
SELECT t.col1, t.col2 FROM VALUES (1, 'a') t
SELECT listagg(v, '-') FROM VALUES ('a'), (NULL) AS t(v)
-- What is pivoted may be listed or joined.
SELECT * FROM VALUES (1, 'a', 10), (1, 'b', 20), (2, 'a', 5) AS t(k, Kind, v) PIVOT (sum(v) FOR kind IN ('a', 'b' AS Second)) ORDER BY k
SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, 'a') AS p(k, kind) JOIN VALUES (1, 10), (1, 5), (2, 7) AS q(k, v) USING (k) PIVOT (sum(v) FOR kind IN ('a', 'b')) ORDER BY k
SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, 'a') AS p(k, kind) LEFT JOIN VALUES (1, 10), (1, 5), (2, 7) AS q(j, v) ON p.k = q.j AND p.kind IS NOT DISTINCT FROM 'a' PIVOT (max(v) FOR kind IN ('a', 'b')) ORDER BY k
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS p(k, kind) CROSS JOIN VALUES (10), (5) AS q(v) PIVOT (sum(v) FOR kind IN ('a', 'b')) ORDER BY k
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS p(k, kind), VALUES (10), (5) AS q(v) PIVOT (sum(v) FOR v IN (10, 5)) ORDER BY k
SELECT p.k, a FROM (VALUES (1, 'a'), (2, 'b') AS p(k, kind) JOIN VALUES (1, 10), (2, 7) AS q(j, v) ON k = j) PIVOT (sum(v) FOR kind IN ('a', 'b')) WHERE p.k IN (SELECT k FROM VALUES (1), (2) AS t(k)) ORDER BY k
SELECT r.k, r.b FROM VALUES (1, 'a'), (2, 'b') AS p(k, kind) JOIN VALUES (1, 10), (2, 7) AS q(j, v) ON k = j PIVOT (sum(v) FOR kind IN ('a', 'b')) AS r ORDER BY r.k
SELECT * FROM VALUES (1, 'a', 10), (2, 'b', 20) AS t(k, kind, v) PIVOT (sum(v) FOR kind IN ('a', 'b')) AS p JOIN VALUES (1, 'x'), (2, 'y') AS n(j, name) ON p.k = n.j ORDER BY k
SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t(k, q1, q2) UNPIVOT (v FOR quarter IN (q1, q2)) ORDER BY k, v
SELECT * FROM VALUES (1, 10), (2, 30) AS p(k, q1) JOIN VALUES (1, 5), (2, 7) AS q(k, q2) USING (k) UNPIVOT (v FOR quarter IN (q1, q2)) ORDER BY k, v
SELECT * FROM (SELECT * FROM VALUES (1, 'a', 10) AS t(k, kind, v) JOIN VALUES (1) AS u(j) ON k = j PIVOT (sum(v) FOR kind IN ('a'))) AS s JOIN VALUES (1, 'x') AS n(k, kind) ON s.k = n.k PIVOT (count(*) FOR kind IN ('x'))
SELECT r'a\d\n', R'it', r"a'b\", regexp_extract('a12', r'(\d+)', 1), 'x' RLIKE r'\w', 'a_b' LIKE r'a\_b'
SELECT sequence(5, 1), sequence(1, 1), sequence(1, 6, 2), sequence(6, 1, -2), sequence(3, NULL)
SELECT sequence(DATE '2018-01-01', DATE '2018-01-04'), sequence(DATE '2018-01-03', DATE '2018-01-01'), sequence(TIMESTAMP '2018-01-01 00:00:00', TIMESTAMP '2018-01-03 03:00:00')
SELECT size(sequence(0, v)) FROM VALUES (3), (-2), (NULL) AS t(v)
SELECT cast(1.5D AS TIMESTAMP), cast(-1.5D AS TIMESTAMP), cast(1.5 AS TIMESTAMP), cast(1520139967.123456D AS TIMESTAMP), cast(CAST('NaN' AS DOUBLE) AS TIMESTAMP), cast(CAST(1.25 AS FLOAT) AS TIMESTAMP), cast(true AS TIMESTAMP), cast(CAST('-1.123456789' AS DECIMAL(20,9)) AS TIMESTAMP), timestamp_seconds(1.5D)
SELECT cast(TIMESTAMP '2018-03-04 05:06:07.25' AS DOUBLE), cast(TIMESTAMP '1969-12-31 23:59:59.5' AS BIGINT), cast(TIMESTAMP '2018-03-04 05:06:07.25' AS INT)
