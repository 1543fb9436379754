from airflow.sdk import dag, task, task_group, Asset
from airflow.providers.standard.operators.bash import BashOperator
from datetime import datetime

ORDERS = Asset("s3://lake/orders")
CUSTOMERS = Asset(name="customers", uri="s3://lake/customers")


@dag(schedule=(ORDERS | CUSTOMERS), start_date=datetime(2025, 1, 1), tags=["lake"])
def report():
    """What was sold, and to whom."""

    @task
    def count():
        return 3

    @task_group(tooltip="Into the lake")
    def write():
        BashOperator(task_id="one", bash_command="write one", outlets=[Asset("s3://lake/report")])
        BashOperator(task_id="two", bash_command="write two", inlets=[ORDERS])

    files = BashOperator(task_id="files", bash_command="echo '[1, 2]'")
    each = BashOperator.partial(task_id="each", retries=1).expand(bash_command=["load eu", "load us"])
    say = BashOperator(task_id="say", bash_command="echo", env={"FILES": files.output})
    count() >> each >> write() >> say


report()
