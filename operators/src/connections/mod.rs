//! The types of connections: what their forms ask for, and how each is tried out.

mod aws;
mod container_registry;
mod databases;
mod databricks;
mod forms;
mod git;
mod kafka;
mod kubernetes;
mod port;
mod smtp;
mod web;

pub(crate) use smtp::mail_server_of;
pub(crate) use web::{address, host_in_url};

use std::sync::Arc;

use scheduler::connection::{ConnectionTest, ConnectionType, Field};
use scheduler::operator::{Registry, RegistryError};

use crate::location::S3;
use crate::notifiers::Environment;
use crate::slack::SlackTest;

/// How a type is tried out, if it can be.
type Test = Option<Arc<dyn ConnectionTest>>;

/// Adds all types. Connections to AWS without keys take those of `s3`; `environment` may name clusters, and who
/// this machine is on Azure.
pub(crate) fn register(registry: &mut Registry, s3: &S3, environment: &Environment) -> Result<(), RegistryError> {
    let aws = |service| Some(tried_by(aws::Aws { service, surroundings: s3.clone() }));
    let web = |way| Some(tried_by(web::Web(way)));
    let database = Some(tried_by(databases::Databases));
    let slack = Some(tried_by(SlackTest));
    let types: [(&'static str, &'static str, &'static [Field], Test); 19] = [
        ("aws", "Amazon Web Services", forms::AWS, aws(aws::Service::Identity)),
        ("databricks", "Databricks", forms::DATABRICKS, Some(tried_by(databricks::Databricks(environment.clone())))),
        ("docker", "Docker registry", forms::DOCKER, Some(tried_by(container_registry::ContainerRegistry))),
        ("generic", "Generic", forms::GENERIC, Some(tried_by(port::Port))),
        ("git", "Git repository", forms::GIT, Some(tried_by(git::Git))),
        ("http", "HTTP", forms::HTTP, web(web::Way::Plain)),
        ("kafka", "Apache Kafka", forms::KAFKA, Some(tried_by(kafka::Kafka))),
        ("kafka_rest", "Kafka REST proxy", forms::KAFKA_REST, web(web::Way::KafkaRest)),
        ("kinesis", "Amazon Kinesis", forms::AWS, aws(aws::Service::Kinesis)),
        ("kubernetes", "Kubernetes", forms::KUBERNETES, Some(tried_by(kubernetes::Kubernetes(environment.clone())))),
        ("mariadb", "MariaDB", forms::MYSQL, database.clone()),
        ("mysql", "MySQL", forms::MYSQL, database.clone()),
        ("postgres", "PostgreSQL", forms::POSTGRES, database.clone()),
        ("s3", "S3, or what speaks as it does", forms::S3, aws(aws::Service::Buckets)),
        ("slack", "Slack API", forms::SLACK, slack.clone()),
        ("slackwebhook", "Slack incoming webhook", forms::SLACK_WEBHOOK, slack),
        ("smtp", "Mail server (SMTP)", forms::SMTP, Some(tried_by(smtp::Smtp))),
        ("sqlite", "SQLite", forms::SQLITE, database),
        ("vault", "HashiCorp Vault", forms::VAULT, web(web::Way::Vault)),
    ];
    for (name, label, fields, test) in types {
        registry.register_connection_type(ConnectionType { name, label, fields, test })?;
    }
    Ok(())
}

fn tried_by(test: impl ConnectionTest + 'static) -> Arc<dyn ConnectionTest> {
    Arc::new(test)
}

#[cfg(test)]
mod tests {
    use scheduler::connection::{FieldKind, is_sensitive};

    #[test]
    fn what_a_form_hides_is_hidden_everywhere() {
        let registry = crate::registry().unwrap();
        let types: Vec<_> = registry.connection_types().collect();
        assert!(types.len() > 3);
        for field in types.iter().flat_map(|kind| kind.fields).filter(|field| field.is_extra) {
            assert_eq!(is_sensitive(field.name), field.kind == FieldKind::Secret, "{}", field.name);
        }
    }
}
