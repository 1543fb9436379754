-- The runs that schedules and tasks hang on, whatever their age. Of each DAG these are four, often the same one: the newest
-- (Airflow's `db clean` keeps the last run, too), the newest that its schedule made, from which the next is reckoned, the
-- newest by logical date, for which `depends_on_past` of the next one looks, and the newest of those that succeeded, which
-- templates ask for (`prev_data_interval_start_success`).
SELECT id
FROM (
    SELECT
        id,
        run_id,
        logical_date,
        state,
        ROW_NUMBER() OVER (PARTITION BY dag_id ORDER BY run_after DESC, id DESC) AS by_age,
        ROW_NUMBER() OVER (
            PARTITION BY dag_id, CASE WHEN run_id LIKE 'scheduled!_!_%' ESCAPE '!' THEN 1 ELSE 0 END
            ORDER BY run_after DESC, id DESC
        ) AS by_schedule,
        ROW_NUMBER() OVER (
            PARTITION BY dag_id, CASE WHEN logical_date IS NULL THEN 1 ELSE 0 END ORDER BY logical_date DESC
        ) AS by_date,
        ROW_NUMBER() OVER (
            PARTITION BY dag_id, CASE WHEN logical_date IS NULL OR state <> 'success' THEN 1 ELSE 0 END
            ORDER BY logical_date DESC
        ) AS by_success
    FROM dag_run
) AS ranked
WHERE by_age = 1
    OR (by_schedule = 1 AND run_id LIKE 'scheduled!_!_%' ESCAPE '!')
    OR (by_date = 1 AND logical_date IS NOT NULL)
    OR (by_success = 1 AND logical_date IS NOT NULL AND state = 'success')
