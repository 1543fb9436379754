# The old spellings: dag=dag, set_upstream, and what only Python can tell.
import os
from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.dummy import DummyOperator
from airflow.operators.python import BranchPythonOperator, PythonOperator
from airflow.sensors.filesystem import FileSensor
from airflow.utils.dates import days_ago
from company.operators import UploadOperator
from company.jobs import report


def choose(**context):
    return "weekday" if context["logical_date"].weekday() < 5 else "weekend"


def tell(context):
    print(context)


args = dict(owner="ops", start_date=days_ago(2), retries=2, on_failure_callback=tell, email=["ops@example.com"])

dag = DAG(dag_id="classic", default_args=args, schedule_interval=timedelta(hours=6), concurrency=4)

wait = FileSensor(task_id="wait", filepath="/data/in.csv", poke_interval=30, timeout=60 * 60, mode="reschedule", dag=dag)
branch = BranchPythonOperator(task_id="branch", python_callable=choose, dag=dag)
weekday = BashOperator(task_id="weekday", bash_command="load --home " + os.environ["HOME"], dag=dag)
weekend = DummyOperator(task_id="weekend", dag=dag, ui_color="#fff")
upload = UploadOperator(task_id="upload", bucket="b", dag=dag)
send = PythonOperator(task_id="send", python_callable=report.send, op_kwargs={"to": "x"}, dag=dag)

branch.set_upstream(wait)
branch.set_downstream([weekday, weekend])
for table in os.listdir("/data"):
    upload >> BashOperator(task_id=table, bash_command="true", dag=dag)
[weekday, weekend] >> upload << wait
upload >> send
