//! Containers from outside: whatever becomes of Updraft, each try has one; it is stopped when its task is, and goes on when
//! Updraft only stops.

use scheduler::store::Db;

use crate::server::{Backend, Installation, Server, eventually, finished};

#[path = "../../operators/tests/all/podman.rs"]
mod podman;

use podman::{IMAGE, Podman};

struct World {
    installation: Installation,
    podman: Podman,
    db: Db,
}

impl World {
    /// A task that runs until the file `open` is in the folder `gate`, and leaves a line there for each of its containers.
    async fn new() -> World {
        let installation = Installation::new(Backend::Sqlite).await;
        let podman = Podman::start();
        let (url, home) = (podman.url(), installation.home().display().to_string());
        let text = format!(
            "tasks:\n  - task_id: waits\n    operator: airflow.providers.docker.operators.docker.DockerOperator\n    \
             image: {IMAGE}\n    auto_remove: force\n    docker_url: {url}\n    network_mode: none\n    \
             mounts: ['{home}/gate:/gate']\n    command:\n      - sh\n      - -c\n      - \"echo run >> /gate/ledger; while ! \
             [ -e /gate/open ]; do sleep 0.05; done; echo ends\"\n"
        );
        installation.write_dag("jobs.yaml", &text);
        std::fs::create_dir_all(installation.home().join("gate")).unwrap();
        let db = installation.database().await;
        db.migrate().await.unwrap();
        World { installation, podman, db }
    }

    async fn start(&self) -> Server {
        let mut command = self.installation.command(&["standalone", "--port", "0", "--grace-secs", "0"]);
        command.env("UPDRAFT_LOG", "warn");
        Server::start(command).await
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.installation.home().join("gate/ledger")).unwrap_or_default().lines().count()
    }

    /// The task, once its container runs.
    async fn begun(&self) {
        self.installation.json(&["dags", "trigger", "jobs", "--run-id", "one"]).await;
        eventually("a container", || async { (self.runs() == 1).then_some(()) }).await;
    }

    async fn goes_on_to_success(&self) {
        let path = "logs/dag_id=jobs/run_id=one/task_id=waits/attempt=1.log";
        let log = || std::fs::read_to_string(self.installation.home().join(path)).unwrap_or_default();
        eventually("a process that takes it up", || async { log().contains("which this try made").then_some(()) })
            .await;
        std::fs::write(self.installation.home().join("gate/open"), "").unwrap();
        assert_eq!(finished(&self.db, "jobs", "one").await.state, "success", "{}", log());
        assert_eq!((self.runs(), self.podman.containers().len()), (1, 0), "{}", log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_the_container_and_the_next_one_goes_on_with_it() {
    let world = World::new().await;
    let server = world.start().await;
    world.begun().await;

    server.kill().await;

    let server = world.start().await;
    world.goes_on_to_success().await;
    assert!(server.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_leaves_the_container_too() {
    let world = World::new().await;
    let server = world.start().await;
    world.begun().await;

    assert!(server.stop().await);

    let server = world.start().await;
    world.goes_on_to_success().await;
    assert!(server.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_marked_stops_its_container() {
    let world = World::new().await;
    let server = world.start().await;
    world.begun().await;

    world.installation.json(&["tasks", "mark", "jobs", "one", "waits", "failed"]).await;

    eventually("no container", || async { world.podman.containers().is_empty().then_some(()) }).await;
    assert_eq!(finished(&world.db, "jobs", "one").await.state, "failed");
    assert!(server.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn marked_while_no_process_runs_its_container_is_stopped_by_the_next_one() {
    let world = World::new().await;
    let server = world.start().await;
    world.begun().await;
    server.kill().await;
    let told = world.installation.run(&["tasks", "mark", "jobs", "one", "waits", "success"]).await;
    let error = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(error.contains("scheduler"), "it is kept for whoever comes next: {error}");
    assert_eq!(world.podman.containers().len(), 1);

    let server = world.start().await;

    eventually("no container", || async { world.podman.containers().is_empty().then_some(()) }).await;
    assert_eq!(finished(&world.db, "jobs", "one").await.state, "success");
    assert_eq!(world.runs(), 1);
    assert!(server.stop().await);
}
