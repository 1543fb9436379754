"""One notebook on Databricks each midnight, as people wrote it for Airflow 2."""
from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

NOTEBOOK = {'notebook_path': '/Users/me@example.com/pinterest/clean_pin'}

for_all_tasks = {
    'owner': 'me',
    'depends_on_past': False,
    'email_on_failure': False,
    'email_on_retry': False,
    'retries': 5,
    'retry_delay': timedelta(minutes=2),
}

with DAG('0a3db223d459_dag', start_date=datetime(2023, 11, 7), schedule_interval='@daily', catchup=False,
         default_args=for_all_tasks) as dag:
    run = DatabricksSubmitRunOperator(
        task_id='submit_run',
        databricks_conn_id='databricks_default',  # with a token in its extra
        existing_cluster_id='1108-162752-8okw8dgg',
        notebook_task=NOTEBOOK,
    )
    run
