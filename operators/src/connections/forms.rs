//! What the forms of connections ask for, by the names that Airflow's providers use.

use scheduler::connection::{Field, FieldKind};

use FieldKind::{Choice, Flag, Number, Secret, Text};

const HOST: Field = Field::own("host", "Host", Text);
const LOGIN: Field = Field::own("login", "Login", Text);
const PASSWORD: Field = Field::own("password", "Password", Secret);
const PORT: Field = Field::own("port", "Port", Number);
const DATABASE: Field = Field::own("schema", "Database", Text);

/// How Postgres may be encrypted.
pub(super) const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// How MySQL and MariaDB may be encrypted.
pub(super) const MYSQL_SSL_MODES: &[&str] = &["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

pub(super) const GENERIC: &[Field] = &[HOST, LOGIN, PASSWORD, Field::own("schema", "Schema", Text), PORT];

pub(super) const DATABRICKS: &[Field] = &[
    Field::own("host", "Workspace URL", Text).like("https://dbc-1234.cloud.databricks.com"),
    Field::extra("token", "Personal access token", Secret).like("dapi…"),
    Field::own("login", "Client id", Text).help("Of a service principal, in the place of a token."),
    Field::own("password", "Client secret", Secret),
    Field::extra("service_principal_oauth", "Service principal signs in with OAuth", Flag),
    Field::extra("azure_tenant_id", "Azure tenant", Text).help("When the service principal is one of Azure."),
    Field::extra("use_azure_managed_identity", "Managed identity of the machine on Azure", Flag)
        .help("In the place of a token."),
    Field::extra("azure_managed_identity_client_id", "Client id of the managed identity", Text)
        .help("Of one that was assigned by a user; empty: the machine's own."),
    Field::extra("azure_resource_id", "Azure resource id of the workspace", Text),
    Field::extra("http_path", "HTTP path of the SQL warehouse", Text).like("/sql/1.0/warehouses/…"),
];

pub(super) const AWS: &[Field] = &[
    Field::own("login", "Access key id", Text).help("Empty: what the AWS tools would take where Updraft runs."),
    Field::own("password", "Secret access key", Secret),
    Field::extra("aws_session_token", "Session token", Secret),
    Field::extra("profile_name", "Profile", Text).like("data").help("Of ~/.aws/config, in the place of a key."),
    Field::extra("role_arn", "Role to assume", Text).like("arn:aws:iam::123456789012:role/data"),
    Field::extra("external_id", "External id", Text).help("When the role asks for one."),
    Field::extra("region_name", "Region", Text).like("us-east-1"),
    Field::extra("endpoint_url", "Endpoint", Text).help("When it is not Amazon's own."),
];

pub(super) const S3: &[Field] = &[
    Field::extra("endpoint_url", "Endpoint", Text).like("https://minio.example:9000").help("Empty: Amazon's own."),
    Field::own("login", "Access key id", Text),
    Field::own("password", "Secret access key", Secret),
    Field::extra("region_name", "Region", Text).like("us-east-1"),
    Field::own("schema", "Bucket", Text).help("For the test of the connection; tasks name theirs."),
];

pub(super) const POSTGRES: &[Field] =
    &[HOST, PORT.like("5432"), DATABASE, LOGIN, PASSWORD, Field::extra("sslmode", "TLS", Choice(SSL_MODES))];

pub(super) const MYSQL: &[Field] = &[
    HOST,
    PORT.like("3306"),
    DATABASE,
    LOGIN,
    PASSWORD,
    Field::extra("unix_socket", "Socket", Text).help("In the place of host and port."),
    Field::extra("ssl_mode", "TLS", Choice(MYSQL_SSL_MODES)),
];

pub(super) const SQLITE: &[Field] = &[Field::own("host", "File", Text).like("/data/sales.db")];

pub(super) const HTTP: &[Field] = &[
    Field::own("host", "Base URL", Text).like("https://api.example.com"),
    PORT,
    Field::own("schema", "Scheme", Choice(&["https", "http"])).help("When the base URL does not say it."),
    LOGIN,
    PASSWORD,
];

pub(super) const KAFKA: &[Field] = &[
    Field::extra("bootstrap.servers", "Brokers", Text).like("broker-1:9092,broker-2:9092"),
    Field::extra("security.protocol", "Security", Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
    Field::extra("sasl.mechanism", "Mechanism", Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])),
    Field::extra("sasl.username", "User", Text),
    Field::extra("sasl.password", "Password", Secret),
];

pub(super) const KAFKA_REST: &[Field] =
    &[Field::own("host", "URL", Text).like("https://gateway.example.com/dev"), LOGIN, PASSWORD];

pub(super) const SMTP: &[Field] = &[
    HOST.like("smtp.example.com"),
    PORT.like("587"),
    LOGIN,
    PASSWORD,
    Field::extra("disable_ssl", "Not encrypted from its beginning", Flag)
        .help("Then it is asked to encrypt (STARTTLS)."),
    Field::extra("disable_tls", "Not encrypted at all", Flag),
    Field::extra("from_email", "Who writes", Text).like("updraft@example.com"),
];

pub(super) const SLACK: &[Field] = &[Field::own("password", "Token", Secret).like("xoxb-…")];

pub(super) const SLACK_WEBHOOK: &[Field] = &[
    Field::own("host", "Address", Text).like("https://hooks.slack.com/services"),
    Field::own("password", "Webhook token", Secret).like("T000/B000/XXX"),
];

pub(super) const DOCKER: &[Field] = &[
    Field::own("host", "Registry", Text).like("ghcr.io"),
    PORT,
    LOGIN,
    PASSWORD,
    Field::extra("email", "E-mail", Text),
    Field::extra("reauth", "Sign in each time", Flag),
];

pub(super) const KUBERNETES: &[Field] = &[
    Field::extra("in_cluster", "The cluster that Updraft runs in", Flag),
    Field::extra("kube_config_path", "Path of a kubeconfig", Text).like("/home/me/.kube/config"),
    Field::extra("kube_config", "A kubeconfig as JSON", Secret),
    Field::extra("cluster_context", "Context", Text),
    Field::own("host", "API server", Text)
        .like("https://10.0.0.1:6443")
        .help("With a token, in the place of a kubeconfig."),
    Field::own("password", "Token", Secret),
    Field::extra("ca_cert", "Certificate of its authority (PEM)", Text),
    Field::extra("disable_verify_ssl", "Take any certificate", Flag),
    Field::extra("namespace", "Namespace", Text).like("default"),
];

pub(super) const GIT: &[Field] = &[
    Field::own("host", "Repository", Text)
        .like("https://github.com/team/dags.git")
        .help("For the test of the connection; addresses of DAG files name theirs."),
    LOGIN.help("For https; empty beside a token."),
    Field::own("password", "Password or token", Secret),
    Field::extra("private_key", "Private key", Secret).help("For ssh."),
    Field::extra("key_file", "Path of a private key", Text).like("/etc/updraft/id_ed25519"),
    Field::extra("known_hosts", "Known hosts", Text).like("github.com ssh-ed25519 AAAA…"),
    Field::extra("known_hosts_file", "Path of known hosts", Text).like("/etc/updraft/known_hosts"),
    Field::extra("strict_host_key_checking", "Keys of hosts", Choice(&["yes", "no", "accept-new"])),
];

pub(super) const VAULT: &[Field] = &[
    HOST.like("https://vault.example.com"),
    PORT.like("8200"),
    Field::own("schema", "Mount of the KV engine", Text).like("secret"),
    Field::own("password", "Token", Secret),
    Field::extra("kv_engine_version", "Version of the KV engine", Number).like("2"),
];
