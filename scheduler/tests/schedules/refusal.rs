//! A database that refuses to write what becomes of the tasks of one run, for as long as a test wants.

use scheduler::store::commit;
use sea_orm::ConnectionTrait;

use crate::world::{Backend, World};

/// Has the database refuse whatever becomes of the tasks of the run.
pub async fn refuse(world: &World, backend: Backend, run_id: &str) {
    let sql = match backend {
        Backend::Sqlite => ["INSERT", "UPDATE"]
            .map(|deed| {
                format!(
                    "CREATE TRIGGER refuse_{deed} BEFORE {deed} ON task_instance
                     WHEN NEW.run_id = '{run_id}' AND EXISTS (SELECT 1 FROM refusal)
                     BEGIN SELECT RAISE(ABORT, 'refused'); END;"
                )
            })
            .concat(),
        Backend::Postgres => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.run_id = '{run_id}' AND EXISTS (SELECT 1 FROM refusal) THEN RAISE EXCEPTION 'refused'; END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON task_instance FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    };
    for sql in ["CREATE TABLE refusal (n integer)", "INSERT INTO refusal VALUES (1)", &sql] {
        execute(world, sql).await;
    }
}

/// Has it take everything again.
pub async fn relent(world: &World) {
    execute(world, "DELETE FROM refusal").await;
}

async fn execute(world: &World, sql: &str) {
    let txn = world.db.begin_write().await.unwrap();
    txn.execute_unprepared(sql).await.unwrap();
    commit(txn).await.unwrap();
}
