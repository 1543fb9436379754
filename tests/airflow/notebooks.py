"""Several notebooks in order; tasks and DAG are made in a loop."""
import pendulum
from airflow.sdk import DAG, Param, TaskGroup, chain, Variable
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule

USER = "0a3db223d459"
ROOT = f"/Users/{USER}"
TABLES = ("pin", "geo", "user")
CLUSTER = Variable.get("cluster", default_var="1108-162752-8okw8dgg")


def notebook(name, **more):
    return DatabricksSubmitRunOperator(
        task_id=name,
        existing_cluster_id=CLUSTER,
        notebook_task={"notebook_path": "%s/%s" % (ROOT, name), "base_parameters": {"user_id": USER}},
        **more,
    )


with DAG(
    dag_id=f"{USER}_notebooks",
    description="Loads, cleans and asks",
    schedule="0 6 * * 1-5",
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    tags=["pinterest", USER],
    params={"limit": Param(100, type="integer", minimum=1), "note": "none"},
    default_args={"retries": 3, "retry_delay": pendulum.duration(minutes=5), "owner": "data", "provide_context": True},
) as dag:
    start = EmptyOperator(task_id="start")
    with TaskGroup("clean", tooltip="One notebook for each table") as clean:
        cleaners = [notebook(f"clean_{table}") for table in TABLES]
    counts = []
    for number, table in enumerate(TABLES, start=1):
        counts.append(BashOperator(
            task_id="count_{}".format(table),
            bash_command="""
                echo "counting {table}"
                count --day {{{{ ds }}}} --limit {{{{ params.limit }}}}
            """.format(table=table),
            env={"NUMBER": str(number)},
            pool="warehouse" if table == "pin" else None,
        ))
    done = EmptyOperator(task_id="done", trigger_rule=TriggerRule.ALL_DONE)
    chain(start, notebook("mount"), clean, counts, done)
