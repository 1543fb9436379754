//! Clusters behind TLS, as all real ones are: an authority of their own, and accounts that are certificates.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use operators::registry_with;
use scheduler::connection::{Connection, Secret};
use serde_json::{Value, json};

use super::fake::{Fake, TOKEN};
use super::{args, done, operator};
use crate::context::nowhere;
use crate::support::{Bench, Connections, return_value};
use crate::tls_gate::TlsGate;

/// A cluster behind a gate, and a try whose home has the gate's certificates.
struct World {
    fake: Fake,
    bench: Bench,
    gate: TlsGate,
}

impl World {
    async fn new(wants_certificate: bool) -> World {
        let (fake, bench) = (Fake::start().await, Bench::new());
        fake.plan(&["through"], done());
        let gate = TlsGate::start(&fake.address(), bench.home(), wants_certificate);
        World { fake, bench, gate }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.gate.port)
    }

    fn path(&self, name: &str) -> String {
        self.bench.home().join(name).display().to_string()
    }

    /// What is in a file, as a kubeconfig has it.
    fn data(&self, name: &str) -> String {
        BASE64.encode(std::fs::read(self.path(name)).unwrap())
    }

    /// A connection with a kubeconfig of one cluster and one user.
    fn kubeconfig(&self, mut cluster: Value, user: &Value) -> Connection {
        cluster["server"] = self.url().into();
        let config = json!({
            "clusters": [{ "name": "c", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u", "namespace": "jobs" } }],
            "current-context": "x",
        });
        let extra = json!({ "kube_config": config }).as_object().unwrap().clone();
        Connection { extra, ..Connection::new("cluster", "kubernetes") }
    }

    /// Runs a Job through the gate, and tries the connection out. Answers with what went wrong.
    async fn trouble(&mut self, connection: Connection) -> Option<String> {
        let tried = scheduler::connection::test(&registry_with(&nowhere()).unwrap(), &connection).await;
        self.bench.ctx.secrets = Arc::new(Connections(vec![connection]));
        self.bench.ctx.try_number += 1;
        self.bench.ctx.try_id = uuid::Uuid::new_v4();
        let ended = self.bench.run(&operator(), args(json!({}))).await;
        match ended {
            Ok(ended) => {
                assert_eq!(return_value(Ok(ended)), "through");
                assert_eq!(
                    tried.unwrap(),
                    format!("the cluster at {} knows us as system:serviceaccount:jobs:updraft", self.url())
                );
                None
            }
            Err(error) => {
                let problem = tried.unwrap_err();
                assert!(!problem.contains(TOKEN), "{problem}");
                Some(format!("{error}\n{problem}"))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_trusted_by_the_certificate_of_its_authority() {
    let mut world = World::new(false).await;
    let token = json!({ "token": TOKEN });
    let authority = world.data("ca.pem");
    let by_data = world.kubeconfig(json!({ "certificate-authority-data": authority }), &token);
    let by_file = world.kubeconfig(json!({ "certificate-authority": world.path("ca.pem") }), &token);
    let unchecked = world.kubeconfig(json!({ "insecure-skip-tls-verify": true }), &token);
    let by_fields = Connection {
        host: Some(world.url()),
        password: Some(Secret::new(TOKEN)),
        extra: json!({ "namespace": "jobs", "ca_cert": std::fs::read_to_string(world.path("ca.pem")).unwrap() })
            .as_object()
            .unwrap()
            .clone(),
        ..Connection::new("cluster", "kubernetes")
    };
    for connection in [by_data, by_file, unchecked, by_fields] {
        assert_eq!(world.trouble(connection).await, None);
    }
    assert_eq!((world.fake.made().len(), world.fake.jobs()), (4, 0));

    let stranger = world.data("client.pem");
    for cluster in [json!({}), json!({ "certificate-authority-data": stranger })] {
        let trouble = world.trouble(world.kubeconfig(cluster, &token)).await.unwrap();
        assert_eq!(trouble.matches("is not trusted: give that of its authority as `ca_cert`").count(), 2, "{trouble}");
    }
    assert_eq!(world.fake.made().len(), 4, "nothing is said to a cluster that is not trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_be_a_certificate() {
    let mut world = World::new(true).await;
    world.fake.know_by_certificate();
    let cluster = json!({ "certificate-authority-data": world.data("ca.pem") });
    let by_data =
        json!({ "client-certificate-data": world.data("client.pem"), "client-key-data": world.data("client.key") });
    let by_file = json!({ "client-certificate": world.path("client.pem"), "client-key": world.path("client.key") });
    for user in [by_data, by_file] {
        assert_eq!(world.trouble(world.kubeconfig(cluster.clone(), &user)).await, None);
    }
    assert_eq!(world.fake.made().len(), 2);

    let stranger =
        json!({ "client-certificate": world.path("stranger.pem"), "client-key": world.path("stranger.key") });
    for user in [json!({ "token": TOKEN }), stranger] {
        let trouble = world.trouble(world.kubeconfig(cluster.clone(), &user)).await.unwrap();
        let words = "the cluster wants to see a client certificate that it knows";
        assert_eq!(trouble.matches(words).count(), 2, "{trouble}");
    }
    assert_eq!(world.fake.made().len(), 2);
}
