from datetime import datetime
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.providers.standard.operators.bash import BashOperator

REGIONS = {
    "eu": {"schedule": "0 3 * * *", "zone": "Europe/Amsterdam"},
    "us": {"schedule": None, "zone": "America/New_York"},
}


def make(region, settings):
    with DAG(dag_id="sales_" + region, schedule=settings["schedule"], start_date=datetime(2025, 1, 1), catchup=True) as dag:
        load = BashOperator(task_id="load", bash_command=f"load --region {region} --day {{{{ ds }}}}")
        check = BashOperator(task_id="check", bash_command="check {{ ti.xcom_pull(task_ids='load') }}")
        load >> check
    return dag


for name, options in REGIONS.items():
    globals()[f"sales_{name}"] = make(name, options)

if __name__ == "__main__":
    make("eu", REGIONS["eu"]).test()
