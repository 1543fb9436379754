"""What a lake gets each night: some files are known before, the others are found."""
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, AssetAlias, AssetOrTimeSchedule, CronTriggerTimetable

ORDERS = Asset("s3://lake/orders")
PARTS = AssetAlias("parts")

with DAG("collect", schedule="@daily", start_date=datetime(2025, 1, 1)):
    BashOperator(task_id="orders", bash_command="collect orders", outlets=[ORDERS, PARTS])
    BashOperator(task_id="parts", bash_command="collect parts", outlets=AssetAlias(name="others", group="lake"))

with DAG(
    "report",
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"), assets=[ORDERS]),
    start_date=datetime(2025, 1, 1),
):
    BashOperator(task_id="report", bash_command="report", inlets=[ORDERS])
