"""Decisions by functions of another module and by queries, checks of a table, and a message at the end."""

import pendulum
from airflow import DAG
from airflow.operators.python import BranchPythonOperator, ShortCircuitOperator
from airflow.providers.common.sql.operators.sql import (
    BranchSQLOperator,
    SQLCheckOperator,
    SQLColumnCheckOperator,
    SQLValueCheckOperator,
)
from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator
from airflow.sensors.python import PythonSensor
from lib import orders

with DAG("deciding", schedule=None, start_date=pendulum.datetime(2024, 1, 1)) as dag:
    wait = PythonSensor(task_id="wait", python_callable=orders.are_there, poke_interval=60, mode="reschedule")
    choose = BranchPythonOperator(task_id="choose", python_callable=orders.choose, op_kwargs={"day": "{{ ds }}"})
    check = SQLCheckOperator(task_id="check", conn_id="warehouse", sql="SELECT COUNT(*) FROM orders")
    columns = SQLColumnCheckOperator(
        task_id="columns",
        conn_id="warehouse",
        table="orders",
        column_mapping={"id": {"null_check": {"equal_to": 0}}, "price": {"min": {"geq_to": 0}}},
    )
    total = SQLValueCheckOperator(
        task_id="total", conn_id="warehouse", sql="SELECT SUM(price) FROM orders", pass_value=100, tolerance=0.1
    )
    go_on = ShortCircuitOperator(task_id="go_on", python_callable=orders.go_on)
    by_query = BranchSQLOperator(
        task_id="by_query",
        conn_id="warehouse",
        sql="SELECT COUNT(*) > 10 FROM orders",
        follow_task_ids_if_true=["tell"],
        follow_task_ids_if_false=["choose"],
    )
    tell = SlackWebhookOperator(task_id="tell", slack_webhook_conn_id="slack_default", message="All is well")

    wait >> choose >> [check, columns, total]
    go_on >> by_query >> tell
