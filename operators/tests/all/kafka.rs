//! `emulation` into Kafka: the mock cluster of librdkafka, which speaks the protocol over the network, read by its client.
//!
//! `make test-kafka` does the same with a broker, `tansu`, which takes a quarter of an hour to build.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
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

/// Starts a cluster in which the topics of the arguments exist, says where it is, and prints the records of the topics that
/// it reads from its input. Topics of a mock cluster come into being when they are asked for, with four partitions.
const CLUSTER: &str = "
import json, sys
from confluent_kafka import Consumer, Producer, TopicPartition

cluster = Producer({'test.mock.num.brokers': 1, 'log_level': 0})
broker = list(cluster.list_topics(timeout=30).brokers.values())[0]
address = f'{broker.host}:{broker.port}'
for topic in sys.argv[1:]:
    cluster.list_topics(topic, timeout=30)
print(address, flush=True)
for line in sys.stdin:
    topic = line.strip()
    reader = Consumer({'bootstrap.servers': address, 'group.id': 'tests', 'enable.partition.eof': True})
    partitions = list(reader.list_topics(topic, timeout=30).topics[topic].partitions)
    reader.assign([TopicPartition(topic, number, 0) for number in partitions])
    records, ended = [], set()
    while len(ended) < len(partitions):
        message = reader.poll(30)
        if message.error():
            ended.add(message.partition())
        else:
            records.append([message.partition(), message.offset(), message.key(), json.loads(message.value())])
    print(json.dumps(sorted(records, key=lambda record: record[:2])), flush=True)
    reader.close()
";

pub struct Cluster {
    child: Child,
    pub address: String,
    output: BufReader<std::process::ChildStdout>,
}

impl Cluster {
    pub fn start(topics: &[&str]) -> Cluster {
        let mut child = Command::new(python::tool("python"))
            .args(["-c", CLUSTER])
            .args(topics)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        output.read_line(&mut address).unwrap();
        assert!(!address.is_empty(), "the mock cluster did not start; is confluent-kafka installed?");
        Cluster { child, address: address.trim().to_owned(), output }
    }

    /// Partition, offset, key and value of each record.
    fn records(&mut self, topic: &str) -> Vec<(u64, u64, Value, Value)> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{topic}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_out_of_the_topics_as_they_went_in() {
    let topics = ["pin", "geo", "user"].map(|topic| format!("{USER}.{topic}"));
    let mut cluster = Cluster::start(&topics.each_ref().map(String::as_str));
    let bench = Bench::new();
    let sink = json!({ "kafka": { "brokers": [cluster.address] } });
    let args = json!({ "sink": sink, "rows": 50, "batch": 10 });
    let report = return_value(bench.run(&Emulation::new(S3::from_variables([])), args).await);
    assert_eq!(report["pin"], json!({ "rows": 50, "requests": 5, "broken": 0 }));
    for table in ["pin", "geo", "user"] {
        let records = cluster.records(&format!("{USER}.{table}"));
        assert!(records.iter().all(|(_, _, key, _)| key.is_null()));
        let key = if table == "pin" { "index" } else { "ind" };
        // Five requests of ten rows go round four partitions, and each partition has its rows in their order.
        let mut numbers: Vec<Vec<u64>> = vec![Vec::new(); 4];
        for (partition, offset, _, row) in records {
            let numbers = &mut numbers[usize::try_from(partition).unwrap()];
            assert_eq!(numbers.len() as u64, offset);
            numbers.push(row[key].as_u64().unwrap());
        }
        let rows = |request: u64| request * 10..(request + 1) * 10;
        let expected: [Vec<u64>; 4] =
            [rows(0).chain(rows(4)).collect(), rows(1).collect(), rows(2).collect(), rows(3).collect()];
        assert_eq!(numbers, expected, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_appended_to_a_table_once() {
    let topics = ["pin", "geo", "user"].map(|topic| format!("{USER}.{topic}"));
    let cluster = Cluster::start(&topics.each_ref().map(String::as_str));
    let bench = Bench::new();
    let s3 = S3::from_variables([]);
    let stream = Stream::new(s3.clone(), Environment::default());
    let post = json!({ "sink": { "kafka": { "brokers": [cluster.address] } }, "rows": 50, "batch": 10 });
    let read = json!({
        "source": { "kafka": { "brokers": [cluster.address], "topic": topics[2] } },
        "schema": ["ind", "age"],
        "output": "lake/users",
        "batch_rows": 20,
    });
    for rows in [50, 0] {
        if rows > 0 {
            return_value(bench.run(&Emulation::new(s3.clone()), post.clone()).await);
        }
        let report = return_value(bench.run(&stream, read.clone()).await);
        assert_eq!(report["rows_written"], rows);
        let positions: u64 = report["positions"]
            .as_object()
            .unwrap()
            .values()
            .map(|offset| offset.as_str().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(positions, 50);
    }
    let table = python::read_delta(bench.home().join("lake/users").to_str().unwrap(), "cast(ind as bigint)", &[]);
    let expected: Vec<String> = (0..50).map(|ind| ind.to_string()).collect();
    assert_eq!(table["columns"][0], json!(["ind", expected]));
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_is_what_it_was_at_the_first_run() {
    let topics = ["pin", "geo", "user"].map(|topic| format!("{USER}.{topic}"));
    let cluster = Cluster::start(&topics.each_ref().map(String::as_str));
    let bench = Bench::new();
    let s3 = S3::from_variables([]);
    let stream = Stream::new(s3.clone(), Environment::default());
    let post = async |rows: u64| {
        let args = json!({ "sink": { "kafka": { "brokers": [cluster.address] } }, "rows": rows, "batch": 10 });
        return_value(bench.run(&Emulation::new(s3.clone()), args).await)
    };
    let read = json!({
        "source": { "kafka": { "brokers": [cluster.address], "topic": topics[2], "start": "latest" } },
        "schema": ["ind", "age"],
        "output": "lake/users",
    });

    post(20).await;
    let report = return_value(bench.run(&stream, read.clone()).await);
    assert_eq!((&report["rows_read"], &report["commits"]), (&json!(0), &json!(1)), "{report}");
    post(30).await;
    for rows in [30, 0] {
        let report = return_value(bench.run(&stream, read.clone()).await);
        assert_eq!(report["rows_written"], rows, "{report}");
    }

    // A topic of that name that is made anew has other records under the same offsets.
    let other = Cluster::start(&topics.each_ref().map(String::as_str));
    let mut anew = read;
    anew["source"]["kafka"]["brokers"] = json!([other.address]);
    let error = bench.run(&stream, anew).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail, "{error}");
    assert!(error.to_string().contains("the topic is not the one that was read"), "{error}");
}

/// A broker of the crate `tansu`, which `UPDRAFT_TEST_TANSU` names the program of. It ends with this value.
struct Tansu {
    child: Child,
    address: String,
}

impl Tansu {
    fn start(program: &OsStr, topics: &[String]) -> Tansu {
        // Whoever takes the port in between makes the broker fail, which is said below.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let url = format!("tcp://{address}");
        let child = Command::new(program)
            .args(["broker", "--storage-engine", "memory://tansu/"])
            .args(["--listener-url", &url, "--advertised-listener-url", &url])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program that UPDRAFT_TEST_TANSU names can be started");
        let broker = Tansu { child, address };
        for topic in topics {
            let make = || {
                Command::new(program).args(["topic", "create", "--broker", &url, "--partitions", "3", topic]).output()
            };
            // Until it listens.
            let made = (0..1000).any(|_| {
                let made = make().unwrap().status.success();
                if !made {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                made
            });
            assert!(made, "the broker takes no topic");
        }
        broker
    }
}

impl Drop for Tansu {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the JSON values of a topic, in one list.
const READER: &str = "
import json, sys
from confluent_kafka import Consumer, TopicPartition

address, topic = sys.argv[1:]
reader = Consumer({'bootstrap.servers': address, 'group.id': 'tests', 'enable.partition.eof': True})
partitions = list(reader.list_topics(topic, timeout=30).topics[topic].partitions)
reader.assign([TopicPartition(topic, number, 0) for number in partitions])
values, ended = [], set()
while len(ended) < len(partitions):
    message = reader.poll(30)
    if message.error():
        ended.add(message.partition())
    else:
        values.append(json.loads(message.value()))
print(json.dumps(values))
";

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_gives_back_what_was_posted() {
    let Some(program) = std::env::var_os("UPDRAFT_TEST_TANSU") else {
        eprintln!("no broker: `make test-kafka` builds one");
        return;
    };
    let topics = ["pin", "geo", "user"].map(|topic| format!("{USER}.{topic}"));
    let broker = Tansu::start(&program, &topics);
    let sink = json!({ "kafka": { "brokers": [broker.address] } });
    let args = json!({ "sink": sink, "rows": 3000, "batch": 100, "concurrency": 4 });
    return_value(Bench::new().run(&Emulation::new(S3::from_variables([])), args).await);
    for (topic, key) in topics.iter().zip(["index", "ind", "ind"]) {
        let values: Vec<Value> =
            serde_json::from_str(&python::run(&["-c", READER, &broker.address, topic], &[])).unwrap();
        let mut numbers: Vec<u64> = values.iter().map(|row| row[key].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..3000), "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_or_a_broker_that_is_not_there_is_one_clear_error() {
    let cluster = Cluster::start(&[&format!("{USER}.pin")]);
    let emulation = Emulation::new(S3::from_variables([]));
    for (broker, words, verdict) in [
        (cluster.address.as_str(), "the topic `0a3db223d459.geo` does not exist", Verdict::Fail),
        ("127.0.0.1:9", "cannot reach Kafka at 127.0.0.1:9", Verdict::Retry),
    ] {
        let sink = json!({ "kafka": { "brokers": [broker] } });
        let error = Bench::new().run(&emulation, json!({ "sink": sink, "rows": 2, "retry_for": 0 })).await.unwrap_err();
        assert_eq!(error.verdict, verdict, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
