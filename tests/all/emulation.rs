//! An emulation that is killed goes on where it was: no row is missing, and what may be there twice is known.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rstest::rstest;
use scheduler::store::runs;
use serde_json::{Value, json};

use crate::server::{Backend, Installation, eventually, finished};

const ROWS: u64 = 400;

/// The numbers of the rows that came, by topic.
type Rows = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// A Kafka REST proxy that takes everything. Its threads end with the process.
fn proxy() -> (SocketAddr, Rows) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rows = Rows::default();
    let kept = Arc::clone(&rows);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let rows = Arc::clone(&kept);
            // A client that is killed leaves a connection that breaks.
            std::thread::spawn(move || serve(stream, &rows).ok());
        }
    });
    (address, rows)
}

fn serve(mut stream: TcpStream, rows: &Rows) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let records = body["records"].as_array().unwrap();
        let topic = first.split(' ').nth(1).unwrap().rsplit('/').next().unwrap();
        let number = |record: &Value| {
            let row = &record["value"];
            row.get("index").or(row.get("ind")).and_then(Value::as_u64).unwrap()
        };
        rows.lock().unwrap().entry(topic.to_owned()).or_default().extend(records.iter().map(number));
        let offset = json!({ "partition": 0, "offset": 0, "error_code": null, "error": null });
        let answer = json!({ "offsets": vec![offset; records.len()] }).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_emulation_that_is_killed_goes_on_where_it_was(#[case] backend: Backend) {
    let (address, rows) = proxy();
    let came = |topic: &str| rows.lock().unwrap().get(topic).cloned().unwrap_or_default();
    let installation = Installation::new(backend).await;
    let dag = format!(
        "tasks:\n  - task_id: emulate\n    operator: emulation\n    retries: 5\n    retry_delay: 0.1s\n    rows: {ROWS}\n    \
         rate: 150\n    concurrency: 4\n    sink: {{kafka_rest: {{url: \"http://{address}\"}}}}\n"
    );
    installation.write_dag("emulation.yaml", &dag);
    let mut server = installation.start().await;
    installation.json(&["dags", "trigger", "emulation", "--run-id", "one"]).await;
    for enough in [60, 200] {
        let look = || async { (came("0a3db223d459.user").len() >= enough).then_some(()) };
        eventually("rows at the proxy", look).await;
        server.kill().await;
        server = installation.start().await;
    }
    let db = installation.database().await;
    let run = finished(&db, "emulation", "one").await;
    assert_eq!(run.state, "success");
    let report = runs::pull_xcoms(db.read(), run.id, "emulate", "return_value").await.unwrap().pop().unwrap().1;
    for table in ["pin", "geo", "user"] {
        let came = came(&format!("0a3db223d459.{table}"));
        let missing: Vec<u64> = (0..ROWS).filter(|row| !came.contains(row)).collect();
        assert!(missing.is_empty(), "{table} lacks {missing:?}: {report}");
        let twice = came.len() as u64 - ROWS;
        // Two kills, each at most some seconds' worth of rows beyond the last checkpoint.
        assert!(twice < ROWS / 2, "{table} has {twice} rows twice: {report}");
        assert_eq!(report[table]["rows"], ROWS, "{report}");
        assert!(report[table]["by_earlier_tries"].as_u64().unwrap() > 0, "{report}");
    }
    assert!(server.stop().await, "the server stops cleanly");
}
