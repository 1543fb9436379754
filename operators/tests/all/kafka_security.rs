//! Kafka behind TLS and SASL: a gate in front of the mock cluster of librdkafka, which lets pass who shows a certificate's
//! private key to be that of its own authority's and signs in. The other side of SCRAM is Python's hashlib, and that of AWS's
//! signatures botocore.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use operators::emulation::Emulation;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::stream::Stream;
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use crate::python;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";

/// Signs a certificate for 127.0.0.1 with an authority of its own, whose certificate it writes into the file of its first
/// argument; the others are topics. Takes Kafka's requests about versions and signing in itself, and passes the others on.
const GATE: &str = r#"
import base64, botocore.auth, datetime, hashlib, hmac, ipaddress, os, socket, ssl, struct, sys, tempfile, threading, urllib.parse
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from confluent_kafka import Producer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME, PASSWORD = 'reader', 'open, sesame'
AWS = Credentials('AKIATEST', 'test-secret', 'test-session/token+')
MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']


def certificate(subject, key, issuer, issuer_key, extension):
    now = datetime.datetime.now(datetime.timezone.utc)
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=True)
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def secured(ca_file):
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    with open(ca_file, 'wb') as file:
        file.write(certificate('authority', authority, 'authority', authority, x509.BasicConstraints(ca=True, path_length=None)))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address('127.0.0.1'))])
    own = certificate('broker', key, 'authority', authority, names)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile() as file:
        file.write(own + private)
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    return context


def pairs(message):
    return dict(part.split('=', 1) for part in message.split(','))


class Refused(Exception):
    pass


class Scram:
    def __init__(self, algorithm):
        self.algorithm, self.first = algorithm, None

    def step(self, data):
        message = data.decode()
        if self.first is None:
            self.first = message[3:]
            asked = pairs(self.first)
            self.salt, self.nonce, self.name = os.urandom(16), asked['r'] + base64.b64encode(os.urandom(9)).decode(), asked['n']
            self.reply = f'r={self.nonce},s={base64.b64encode(self.salt).decode()},i=4096'
            return self.reply.encode(), False
        proof = pairs(message)['p']
        signed = f"{self.first},{self.reply},{message[:message.index(',p=')]}".encode()
        salted = hashlib.pbkdf2_hmac(self.algorithm, PASSWORD.encode(), self.salt, 4096)
        mac = lambda key, text: hmac.new(key, text, self.algorithm).digest()
        client_key = mac(salted, b'Client Key')
        signature = mac(hashlib.new(self.algorithm, client_key).digest(), signed)
        expected = bytes(one ^ other for one, other in zip(client_key, signature))
        if self.name != NAME or pairs(message)['r'] != self.nonce or base64.b64decode(proof) != expected:
            raise Refused('wrong name or password')
        return b'v=' + base64.b64encode(mac(mac(salted, b'Server Key'), signed)), True


class Plain:
    def step(self, data):
        if data.split(b'\0')[1:] != [NAME.encode(), PASSWORD.encode()]:
            raise Refused('wrong name or password')
        return b'', True


class Bearer:
    # The signature is made anew by botocore, of what the address says.
    def step(self, data):
        token = data.split(b'auth=Bearer ')[1].split(b'\1')[0].decode()
        url = base64.urlsafe_b64decode(token + '=' * (-len(token) % 4)).decode()
        said = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
        region = said['X-Amz-Credential'][0].split('/')[2]
        request = AWSRequest('GET', f'https://kafka.{region}.amazonaws.com/', params={'Action': 'kafka-cluster:Connect'})
        signer = SigV4QueryAuth(AWS, 'kafka-cluster', region, expires=900)
        stamp = said['X-Amz-Date'][0]
        botocore.auth.get_current_datetime = lambda: datetime.datetime.strptime(stamp, '%Y%m%dT%H%M%SZ')
        signer.add_auth(request)
        expected = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query)
        agent = said.pop('User-Agent', None)
        if said != expected or agent != ['updraft']:
            raise Refused('the token is not signed as it should be')
        return b'', True


def exactly(connection, length):
    data = b''
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frame(connection):
    return exactly(connection, struct.unpack('>i', exactly(connection, 4))[0])


def send(connection, data):
    connection.sendall(struct.pack('>i', len(data)) + data)


def text(value):
    return struct.pack('>h', len(value)) + value.encode()


def serve(connection, upstream, own_port, broker):
    session, is_known = None, False
    host, port = broker
    address = lambda port: host.encode() + struct.pack('>i', port)
    while True:
        request = frame(connection)
        api, version, correlation = struct.unpack('>hhi', request[:8])
        client = struct.unpack('>h', request[8:10])[0]
        body = request[10 + max(client, 0):]
        head = struct.pack('>i', correlation)
        if api == 18 and version > 0:
            # As brokers say that they know no such version: in the form of the oldest one.
            send(connection, head + struct.pack('>hi', 35, 0))
        elif api == 18:
            send(upstream, request)
            answer = frame(upstream)
            error, count = struct.unpack('>hi', answer[4:10])
            entries = answer[10:10 + 6 * count] + struct.pack('>hhhhhh', 17, 0, 1, 36, 0, 1)
            send(connection, head + struct.pack('>hi', error, count + 2) + entries)
        elif api == 17:
            mechanism = body[2:].decode()
            session = {'PLAIN': Plain, 'SCRAM-SHA-256': lambda: Scram('sha256'), 'SCRAM-SHA-512': lambda: Scram('sha512'),
                       'OAUTHBEARER': Bearer}[mechanism]()
            listed = b''.join(text(one) for one in MECHANISMS)
            send(connection, head + struct.pack('>hi', 0, len(MECHANISMS)) + listed)
        elif api == 36:
            try:
                said, is_known = session.step(body[4:])
                answer = struct.pack('>hhi', 0, -1, len(said)) + said
            except Refused as refusal:
                answer = struct.pack('>h', 58) + text(str(refusal)) + struct.pack('>i', 0)
            send(connection, head + answer + (struct.pack('>q', 0) if version > 0 else b''))
        elif is_known:
            send(upstream, request)
            send(connection, frame(upstream).replace(address(port), address(own_port)))
        else:
            raise EOFError


def keep(connection, *rest):
    try:
        serve(connection, *rest)
    except (EOFError, OSError):
        pass
    finally:
        connection.close()


context = secured(sys.argv[1])
cluster = Producer({'test.mock.num.brokers': 1, 'log_level': 0})
broker = list(cluster.list_topics(timeout=30).brokers.values())[0]
for topic in sys.argv[2:]:
    cluster.list_topics(topic, timeout=30)
listener = socket.create_server(('127.0.0.1', 0))
own_port = listener.getsockname()[1]
print(own_port, flush=True)


def accept(connection):
    try:
        connection = context.wrap_socket(connection, server_side=True)
    except (ssl.SSLError, OSError):
        return
    keep(connection, socket.create_connection((broker.host, broker.port)), own_port, (broker.host, broker.port))


while True:
    threading.Thread(target=accept, args=[listener.accept()[0]], daemon=True).start()
"#;

struct Gate {
    child: Child,
    broker: String,
}

impl Gate {
    fn start(ca_file: &Path) -> Gate {
        let topics = ["pin", "geo", "user"].map(|topic| format!("{USER}.{topic}"));
        let mut child = Command::new(python::tool("python"))
            .args(["-c", GATE, ca_file.to_str().unwrap()])
            .args(topics)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the gate did not open; are confluent-kafka and cryptography installed?");
        Gate { child, broker: format!("127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn identity(secret: &str) -> S3 {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", "test-session/token+"),
        ("AWS_REGION", "eu-west-1"),
    ];
    S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn password(password: &str) -> Environment {
    Environment::of([("KAFKA_PASSWORD".to_owned(), password.to_owned())])
}

fn with_password(mechanism: &str) -> Value {
    json!({ "mechanism": mechanism, "username": "reader", "password_env": "KAFKA_PASSWORD" })
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_through_tls_to_who_signs_in_and_come_back() {
    let bench = Bench::new();
    let gate = Gate::start(&bench.home().join("ca.pem"));
    let (s3, environment) = (identity("test-secret"), password("open, sesame"));
    let emulation = Emulation::new(s3.clone()).with_environment(environment.clone());
    let stream = Stream::new(s3, environment);
    let mut posted = 0;
    for sasl in
        [with_password("plain"), with_password("scram-sha-256"), with_password("scram-sha-512"), json!("aws-msk-iam")]
    {
        let cluster = json!({ "brokers": [gate.broker], "tls": true, "ca_file": "ca.pem", "sasl": sasl });
        let report = return_value(bench.run(&emulation, json!({ "sink": { "kafka": cluster }, "rows": 20 })).await);
        assert_eq!(report["user"]["rows"], 20, "{sasl}");
        posted += 20;
        let mut source = cluster;
        source["topic"] = json!(format!("{USER}.user"));
        let args = json!({ "source": { "kafka": source }, "schema": ["ind"], "output": "lake/users" });
        assert_eq!(return_value(bench.run(&stream, args).await)["rows_written"], 20, "{sasl}");
    }
    let table = python::read_delta(bench.home().join("lake/users").to_str().unwrap(), "ind", &[]);
    assert_eq!(table["columns"][0][1].as_array().unwrap().len(), posted);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_hears_why() {
    let bench = Bench::new();
    let gate = Gate::start(&bench.home().join("ca.pem"));
    bench.file("none.pem", "no certificate");
    let run = async |more: Value, secret: &str, word: &str| {
        let mut cluster = json!({ "brokers": [gate.broker], "tls": true, "ca_file": "ca.pem" });
        cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let emulation = Emulation::new(identity(secret)).with_environment(password(word));
        let args = json!({ "sink": { "kafka": cluster }, "rows": 1, "retry_for": 0 });
        bench.run(&emulation, args).await.unwrap_err()
    };
    let (secret, word) = ("test-secret", "open, sesame");
    let iam = json!({ "sasl": "aws-msk-iam" });
    for (more, secret, word, verdict, said) in [
        (json!({ "sasl": with_password("plain") }), secret, "wrong", Verdict::Fail, "Kafka refuses who signs in"),
        (
            json!({ "sasl": with_password("scram-sha-512") }),
            secret,
            "wrong",
            Verdict::Fail,
            "Kafka refuses who signs in",
        ),
        (iam, "wrong", word, Verdict::Fail, "Kafka refuses who signs in"),
        (json!({ "ca_file": null, "sasl": with_password("plain") }), secret, word, Verdict::Retry, "ertificate"),
        (json!({ "ca_file": "none.pem" }), secret, word, Verdict::Fail, "there are no certificates in `"),
        (json!({ "ca_file": "absent.pem" }), secret, word, Verdict::Fail, "absent.pem` cannot be read"),
        (json!({ "tls": false }), secret, word, Verdict::Fail, "`ca_file` is for `tls: true`"),
        (
            json!({ "tls": false, "ca_file": null, "sasl": "aws-msk-iam" }),
            secret,
            word,
            Verdict::Fail,
            "`sasl: aws-msk-iam` needs `tls: true`",
        ),
    ] {
        let error = run(more.clone(), secret, word).await;
        assert!(error.to_string().contains(said), "{more}: {error}");
        assert_eq!(error.verdict, verdict, "{more}: {error}");
        assert!(!bench.log_text().contains("open, sesame") && !error.to_string().contains("open, sesame"));
    }
}
