"""Drives a server with the official Airflow client. Its models are strict: a wrong type raises."""

import sys
from datetime import datetime, timezone

import airflow_client.client as airflow
from airflow_client.client.api import (
    backfill_api,
    dag_parsing_api,
    connection_api,
    config_api,
    asset_api,
    dag_api,
    dag_run_api,
    dag_source_api,
    dag_stats_api,
    dag_version_api,
    dag_warning_api,
    event_log_api,
    import_error_api,
    job_api,
    monitor_api,
    plugin_api,
    pool_api,
    provider_api,
    task_api,
    variable_api,
    task_instance_api,
    version_api,
    x_com_api,
)
from airflow_client.client.models import (
    BackfillPostBody,
    BulkBodyBulkDAGRunBody,
    BulkBodyConnectionBody,
    BulkBodyPoolBody,
    BulkBodyVariableBody,
    BulkDAGRunBody,
    BulkDAGRunClearBody,
    ConnectionBody,
    VariableBody,
    CreateAssetEventsBody,
    MaterializeAssetBody,
    BulkBodyBulkTaskInstanceBody,
    ClearTaskInstancesBody,
    ClearTaskInstancesBodyTaskIdsInner,
    DAGPatchBody,
    DAGRunClearBody,
    DAGRunPatchBody,
    DAGRunsBatchBody,
    PoolBody,
    PoolPatchBody,
    PatchTaskInstanceBody,
    TaskInstancesBatchBody,
    TriggerDAGRunPostBody,
    UpdateHITLDetailPayload,
    XComCreateBody,
    XComUpdateBody,
)
import json
import urllib.request

url, username, password = sys.argv[1:]


def token() -> str:
    body = json.dumps({"username": username, "password": password}).encode()
    request = urllib.request.Request(f"{url}/auth/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


configuration = airflow.Configuration(host=url)
configuration.access_token = token()

with airflow.ApiClient(configuration) as client:
    assert version_api.VersionApi(client).get_version().version == "3.3.2"
    assert monitor_api.MonitorApi(client).get_health().metadatabase.status == "healthy"

    dags = dag_api.DAGApi(client)
    assert [dag.dag_id for dag in dags.get_dags(order_by=["dag_id"]).dags] == ["maker", "manual", "nightly", "report", "sales"]
    assert dags.get_dag("sales").timetable_periodic
    assert dags.get_dag_details("sales").params["rows"]["value"] == 10
    assert dags.patch_dag("manual", DAGPatchBody(is_paused=False)).is_paused is False
    assert dags.patch_dags(DAGPatchBody(is_paused=False), dag_id_pattern="sal").total_entries == 1
    assert dags.get_dag_tags().tags == ["daily", "sales"]
    assert "What was sold" in dag_source_api.DagSourceApi(client).get_dag_source("sales").content
    assert dag_stats_api.DagStatsApi(client).get_dag_stats(["sales"]).dags[0].stats[3].count == 3
    versions = dag_version_api.DagVersionApi(client)
    assert versions.get_dag_versions("~").dag_versions[0].version_number == 1
    assert versions.get_dag_version("sales", 1).dag_id == "sales"
    tasks = task_api.TaskApi(client)
    assert tasks.get_tasks("sales").total_entries == 3
    assert tasks.get_task("sales", "extract").retries == 2

    runs = dag_run_api.DagRunApi(client)
    made = runs.trigger_dag_run("manual", TriggerDAGRunPostBody(logical_date=None, conf={"a": 1}))
    assert made.state == "queued" and made.conf == {"a": 1}
    assert runs.get_dag_run("manual", made.dag_run_id).dag_run_id == made.dag_run_id
    assert runs.get_dag_runs("~", order_by=["-run_after"]).total_entries == 7
    assert runs.get_dag_runs("~", cursor="", limit=1).next_cursor
    assert runs.get_list_dag_runs_batch("~", DAGRunsBatchBody(dag_ids=["sales"])).total_entries == 3
    assert runs.patch_dag_run("sales", "a", DAGRunPatchBody(note="seen")).note == "seen"

    instances = task_instance_api.TaskInstanceApi(client)
    assert [ti.task_id for ti in instances.get_task_instances("sales", "a").task_instances] == ["extract", "load"]
    assert instances.get_task_instance("sales", "a", "extract").try_number == 2
    assert instances.get_task_instance_tries("sales", "a", "extract").total_entries == 2
    assert instances.get_task_instance_try_details("sales", "a", "extract", 1).state == "failed"
    assert instances.get_task_instances_batch("~", "~", TaskInstancesBatchBody(task_ids=["load"])).total_entries == 2
    log = instances.get_log("sales", "a", "extract", 2, accept="application/json")
    lines = log.content.actual_instance
    assert lines[2].event == "hello" and log.continuation_token is None, log

    xcoms = x_com_api.XComApi(client)
    assert xcoms.get_xcom_entries("sales", "a", "extract").xcom_entries[0].key == "return_value"
    value = xcoms.get_xcom_entry("sales", "extract", "a", "return_value", deserialize=True)
    assert value.actual_instance.value == {"rows": 3}, value
    text = xcoms.get_xcom_entry("sales", "extract", "a", "return_value")
    assert json.loads(text.actual_instance.value) == {"rows": 3}, text

    made = xcoms.create_xcom_entry("sales", "extract", "a", XComCreateBody(key="mine", value={"rows": 4}))
    assert made.value == {"rows": 4} and made.map_index == -1, made
    assert xcoms.update_xcom_entry("sales", "extract", "a", "mine", XComUpdateBody(value=[5])).value == [5]
    xcoms.delete_xcom_entry("sales", "extract", "a", "mine")
    assert job_api.JobApi(client).get_jobs(order_by=["-id"]).jobs[0].job_type == "SchedulerJob"
    warnings = dag_warning_api.DagWarningApi(client).list_dag_warnings()
    assert [each.warning_type.value for each in warnings.dag_warnings] == ["non-existent pool"], warnings
    assert plugin_api.PluginApi(client).get_plugins().plugins == []
    assert plugin_api.PluginApi(client).import_errors().total_entries == 0
    assert provider_api.ProviderApi(client).get_providers().providers == []
    for absent in (
        lambda: config_api.ConfigApi(client).get_config(),
        lambda: config_api.ConfigApi(client).get_config_value("core", "parallelism"),
        lambda: instances.get_external_log_url("sales", "a", "extract", 1),
    ):
        try:
            absent()
        except (airflow.exceptions.ForbiddenException, airflow.exceptions.BadRequestException) as error:
            assert "detail" in error.body, error.body
        else:
            raise AssertionError("what is not there was found")

    pools = pool_api.PoolApi(client)
    assert pools.post_pool(PoolBody(name="etl", slots=4)).open_slots == 4
    assert [pool.name for pool in pools.get_pools(order_by=["name"]).pools] == ["default_pool", "etl"]
    assert pools.patch_pool("etl", PoolPatchBody(slots=-1), update_mask=["slots"]).open_slots == -1
    assert pools.get_pool("etl").slots == -1
    actions = [
        {"action": "create", "entities": [{"name": "a", "slots": 1}]},
        {"action": "delete", "entities": ["etl", "none"], "action_on_non_existence": "skip"},
    ]
    bulk = pools.bulk_pools(BulkBodyPoolBody.from_dict({"actions": actions}))
    assert bulk.create.success == ["a"] and bulk.delete.success == ["etl"] and bulk.update is None, bulk
    pools.delete_pool("a")
    connections = connection_api.ConnectionApi(client)
    body = ConnectionBody(connection_id="db", conn_type="postgres", password="s3cret", port=5432, extra='{"token": "t"}')
    made = connections.post_connection(body)
    assert (made.password, made.port, json.loads(made.extra)) == ("***", 5432, {"token": "***"}), made
    assert connections.get_connections(order_by=["connection_id"]).connections[0].connection_id == "db"
    body = ConnectionBody(connection_id="db", conn_type="postgres", host="h")
    assert connections.patch_connection("db", body, update_mask=["host"]).host == "h"
    assert connections.get_connection("db").password == "***"
    assert connections.test_connection(body).status is False
    actions = [{"action": "create", "entities": [{"connection_id": "api", "conn_type": "http"}]}]
    bulk = connections.bulk_connections(BulkBodyConnectionBody.from_dict({"actions": actions}))
    assert bulk.create.success == ["api"], bulk
    connections.delete_connection("api")
    connections.create_default_connections()
    variables = variable_api.VariableApi(client)
    made = variables.post_variable(VariableBody.from_dict({"key": "limits", "value": {"rows": 5}}))
    assert json.loads(made.value) == {"rows": 5} and made.is_encrypted, made
    changed = variables.patch_variable("limits", VariableBody.from_dict({"key": "limits", "value": "6"}))
    assert changed.value == "6" and variables.get_variable("limits").value == "6"
    assert variables.get_variables().total_entries == 1
    variables.delete_variable("limits")

    waiting = instances.get_task_instance_dependencies("sales", "a", "load").dependencies
    assert ("Dagrun Running", "the run is over: failed") in [(each.name, each.reason) for each in waiting], waiting
    assert instances.get_task_instance_dependencies("sales", "a", "extract").dependencies == []

    assets = asset_api.AssetApi(client)
    found = assets.get_assets(name_pattern="orders").assets[0]
    assert found.producing_tasks[0].task_id == "make" and found.scheduled_dags[0].dag_id == "report", found
    assert assets.get_asset(found.id).extra == {"owner": "ann"}
    event = assets.create_asset_event(CreateAssetEventsBody(asset_id=found.id, extra={"rows": 3}))
    assert event.extra == {"rows": 3, "from_rest_api": True} and event.source_map_index == -1, event
    assert assets.get_asset_events(asset_id=found.id).asset_events[0].id == event.id
    assert assets.get_asset(found.id).last_asset_event.id == event.id
    assert assets.get_asset_queued_events(found.id).queued_events[0].dag_id == "report"
    assert assets.get_dag_asset_queued_events("report").total_entries == 1
    assert assets.get_dag_asset_queued_event("report", found.id).asset_id == found.id
    assets.delete_dag_asset_queued_event("report", found.id)
    assets.create_asset_event(CreateAssetEventsBody(asset_id=found.id))
    assets.delete_asset_queued_events(found.id)
    assets.create_asset_event(CreateAssetEventsBody(asset_id=found.id))
    assets.delete_dag_asset_queued_events("report")
    made = assets.materialize_asset(found.id, MaterializeAssetBody(conf={"a": 1}))
    assert made.dag_id == "maker" and made.run_type == "asset_materialization", made
    assert runs.get_upstream_asset_events("maker", made.dag_run_id).asset_events == []
    assert assets.get_asset_aliases().total_entries == 0
    assert dags.get_dag_details("report").asset_expression == {
        "asset": {"uri": "s3://lake/orders", "name": "orders", "group": "asset"}
    }

    errors = import_error_api.ImportErrorApi(client)
    first = errors.get_import_errors().import_errors[0]
    assert first.filename == "broken.yaml"
    assert errors.get_import_error(first.import_error_id).filename == "broken.yaml"
    audit = event_log_api.EventLogApi(client)
    events = [entry.event for entry in audit.get_event_logs(owner="admin").event_logs]
    assert "trigger_dag_run" in events and "patch_dag" in events, events

    body = ClearTaskInstancesBody(dag_run_id="a")
    assert [ti.task_id for ti in instances.post_clear_task_instances("sales", body).task_instances] == ["extract"]
    # Only a preview of new tasks: of a task instance this client cannot tell the two models apart, from Airflow neither.
    preview = runs.clear_dag_run("sales", "a", DAGRunClearBody(only_new=True)).actual_instance
    assert [each.actual_instance.task_id for each in preview.task_instances] == ["list"], preview
    mark = PatchTaskInstanceBody(new_state="success")
    assert instances.patch_task_instance_dry_run("sales", "a", "extract", mark).total_entries == 1
    assert instances.patch_task_instance("sales", "a", "extract", mark).task_instances[0].state == "success"
    update = {"action": "update", "entities": [{"task_id": "extract", "new_state": "failed"}]}
    bulk = BulkBodyBulkTaskInstanceBody.from_dict({"actions": [update]})
    assert instances.bulk_task_instances("sales", "a", bulk).update.success == ["sales.a.extract[-1]"]
    real = ClearTaskInstancesBody(dag_run_id="a", dry_run=False, task_ids=[ClearTaskInstancesBodyTaskIdsInner("extract")])
    assert instances.post_clear_task_instances("sales", real).task_instances[0].state is None
    assert instances.get_task_instance_tries("sales", "a", "extract").total_entries == 2

    cleared = runs.clear_dag_run("sales", "b", DAGRunClearBody(dry_run=False)).actual_instance
    assert cleared.dag_run_id == "b" and cleared.state == "queued", cleared
    instances.delete_task_instance("sales", "c", "list")
    runs.delete_dag_run("sales", "c")

    questions = instances.get_hitl_details("~", "~", response_received=False, state=["awaiting_input"])
    assert [each.subject for each in questions.hitl_details] == ["Publish?"], questions
    asked = instances.get_hitl_detail("report", "asks", "extract", -1)
    assert asked.options == ["Approve", "Reject"] and asked.params["rows"]["value"] == 3, asked
    payload = UpdateHITLDetailPayload(chosen_options=["Approve"], params_input={"rows": 5})
    assert instances.update_hitl_detail("report", "asks", "extract", -1, payload).responded_by.name == "admin"
    answered = instances.get_hitl_detail_try_detail("report", "asks", "extract", -1, 1)
    assert answered.response_received and answered.params_input == {"rows": 5}, answered
    assert instances.get_extra_links("sales", "a", "load").extra_links == {}

    dags.favorite_dag("nightly")
    assert [dag.dag_id for dag in dags.get_dags(is_favorite=True).dags] == ["nightly"]
    dags.unfavorite_dag("nightly")
    dag_parsing_api.DAGParsingApi(client).reparse_dag_file(dags.get_dag("nightly").file_token)
    entry = audit.get_event_logs(event="favorite_dag").event_logs[0]
    assert audit.get_event_log(entry.event_log_id).dag_id == "nightly", entry
    actions = [{"action": "create", "entities": [{"key": "a", "value": 1}]}, {"action": "delete", "entities": ["a"]}]
    bulk = variables.bulk_variables(BulkBodyVariableBody.from_dict({"actions": actions}))
    assert bulk.create.success == ["a"] and bulk.delete.success == ["a"], bulk

    many = ("nightly", "n", "many")
    assert instances.get_mapped_task_instances(*many).total_entries == 2
    assert instances.get_mapped_task_instance(*many, 1).map_index == 1
    assert instances.get_mapped_task_instance_tries(*many, 0).total_entries == 2
    assert instances.get_mapped_task_instance_try_details(*many, 1, 0).state == "failed"
    why = instances.get_task_instance_dependencies_by_map_index(*many, 1).dependencies
    assert all(each.name and each.reason for each in why), why
    assert instances.patch_task_instance_dry_run_by_map_index(*many, 0, mark).task_instances[0].map_index == 0
    marked = instances.patch_task_instance_by_map_index(*many, 0, mark).task_instances
    assert [(each.map_index, each.state) for each in marked] == [(0, "success")], marked
    assert instances.patch_task_group_instances_dry_run("nightly", "n", "g", mark).total_entries == 1
    marked = instances.patch_task_group_instances("nightly", "n", "g", mark).task_instances
    assert [(each.task_id, each.state) for each in marked] == [("g.one", "success")], marked
    update = {"action": "update", "entities": [{"dag_run_id": "n", "note": "looked at"}]}
    bulk = runs.bulk_dag_runs("nightly", BulkBodyBulkDAGRunBody.from_dict({"actions": [update]}))
    assert len(bulk.update.success) == 1 and runs.get_dag_run("nightly", "n").note == "looked at", bulk
    again = BulkDAGRunClearBody(dag_runs=[BulkDAGRunBody(dag_run_id="n")], dry_run=False)
    cleared = runs.clear_dag_runs("nightly", again).actual_instance
    assert [(run.dag_run_id, run.state) for run in cleared.dag_runs] == [("n", "queued")], cleared
    # The client reads no lines of JSON, which Airflow answers with as well.
    waited = runs.wait_dag_run_until_finished_without_preload_content("report", "over", interval=1)
    assert json.loads(waited.read()) == {"state": "failed"}

    backfills = backfill_api.BackfillApi(client)
    days = [datetime(2026, 2, day, tzinfo=timezone.utc) for day in (1, 3)]
    body = BackfillPostBody(dag_id="nightly", from_date=days[0], to_date=days[1], max_active_runs=1)
    assert [each.logical_date.day for each in backfills.create_backfill_dry_run(body).backfills] == [1, 2, 3]
    made = backfills.create_backfill(body)
    assert made.dag_id == "nightly" and made.reprocess_behavior == "none" and made.completed_at is None, made
    assert backfills.list_backfills("nightly").backfills[0].id == made.id
    assert backfills.get_backfill(made.id).max_active_runs == 1
    assert backfills.pause_backfill(made.id).is_paused
    assert not backfills.unpause_backfill(made.id).is_paused

    for refused, expected in (
        (lambda: dags.delete_dag("nightly"), airflow.exceptions.ConflictException),
        (lambda: assets.get_asset_alias(1), airflow.exceptions.NotFoundException),
        # Nobody is there to carry it out.
        (lambda: backfills.cancel_backfill(made.id), airflow.exceptions.ServiceException),
    ):
        try:
            refused()
        except expected as error:
            assert "detail" in error.body, error.body
        else:
            raise AssertionError("what cannot be was done")

    try:
        dags.get_dag("nothing")
    except airflow.exceptions.NotFoundException as error:
        assert "nothing" in error.body
    else:
        raise AssertionError("a DAG that does not exist was found")
