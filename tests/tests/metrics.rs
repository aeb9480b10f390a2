//! The metrics of a node and a master, read by a real Prometheus; and the dashboard and the alerts, which must name only
//! metrics that exist.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use mesh_runtime::{Keys, Master, Node};
use mesh_tests::{Back, Front, HeldPort, Parity, Stage, http, root, start_at, within};
use serde_json::Value;
use tokio::time::sleep;

/// The pause between two questions to Prometheus, which has nothing to wait for.
const PAUSE: Duration = Duration::from_millis(50);

/// The name of the scrape job.
const JOB: &str = "mesh-shop";

/// A mesh whose master and nodes serve their metrics, and have something to tell.
struct Measured {
    master: Master,
    front: Node<Front>,
    back: Node<Back>,
}

impl Measured {
    async fn start() -> Self {
        let keys = Keys::new("measured", Keys::generate());
        let any = "127.0.0.1:0";
        let master = Parity::master().keys(&keys).bind(any).without_discovery();
        let master = master.metrics(any).start().await.unwrap();
        let back = Back::node(Stage::quiet()).metrics(any);
        let back = start_at(back, &keys, master.addr()).await;
        let front = Front::node(Stage::quiet()).metrics(any);
        let front = start_at(front, &keys, master.addr()).await;
        front.ready::<Back>(1).await.unwrap();
        let measured = Self {
            master,
            front,
            back,
        };
        measured.call().await;
        measured
    }

    /// A few calls of several kinds.
    async fn call(&self) {
        let calls = self.front.client::<Back>();
        for _ in 0..10 {
            calls.name().await.unwrap();
        }
        calls.job("x".into()).await.unwrap();
        calls.fall("down".into()).await.unwrap_err();
    }

    fn addrs(&self) -> [SocketAddr; 3] {
        let addrs = [
            self.master.metrics_addr(),
            self.front.metrics_addr(),
            self.back.metrics_addr(),
        ];
        addrs.map(Option::unwrap)
    }

    /// What they tell Prometheus.
    async fn scrapes(&self) -> Vec<String> {
        let mut scrapes = Vec::new();
        for addr in self.addrs() {
            let (status, text) = http(addr, "GET /metrics").await;
            assert_eq!(status, 200);
            scrapes.push(text);
        }
        scrapes
    }

    /// The names of all metrics that there are.
    async fn names(&self) -> BTreeSet<String> {
        let scrapes = self.scrapes().await.concat();
        let types = scrapes
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        let mut names = BTreeSet::from(["up".to_owned()]);
        for line in types {
            let (name, kind) = line.split_once(' ').unwrap();
            if kind == "histogram" {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            } else {
                names.insert(name.to_owned());
            }
        }
        names
    }
}

/// Runs promtool, with this on its standard input.
fn promtool(args: &[&str], input: &str) -> Result<(), String> {
    let mut promtool = Command::new("promtool")
        .args(args)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs: is it installed? (Debian's package prometheus)");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(told)
    }
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_what_they_tell() {
    within(async {
        for scrape in Measured::start().await.scrapes().await {
            let checked = promtool(&["check", "metrics"], &scrape);
            assert_eq!(checked, Ok(()), "{scrape}");
        }
        // It would notice.
        promtool(&["check", "metrics"], "# TYPE a counter\na 1\n").unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn counts_are_told_with_their_labels_and_buckets_add_up() {
    within(async {
        let measured = Measured::start().await;
        let [_, front, back] = <[String; 3]>::try_from(measured.scrapes().await).unwrap();
        let told = |text: &str, line: &str| {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in\n{text}");
        };
        told(
            &front,
            r#"mesh_calls_total{rpc_method="Back/name",direction="client",status="ok"} 10"#,
        );
        told(
            &back,
            r#"mesh_calls_total{rpc_method="Back/fall",direction="server",status="handler_panicked"} 1"#,
        );
        // What has not happened yet is told as 0, so that the first time is seen as an increase.
        told(
            &front,
            r#"mesh_calls_total{rpc_method="Back/name",direction="client",status="overloaded"} 0"#,
        );
        told(&front, r#"mesh_links{peer_type="Back"} 1"#);
        told(&back, r#"mesh_links{peer_type="Ledger"} 0"#);
        told(&front, "mesh_registered 1");
        let labels = r#"rpc_system_name="mesh",rpc_method="Back/name""#;
        let name = "rpc_client_call_duration_seconds";
        told(&front, &format!("{name}_count{{{labels}}} 10"));
        told(&front, &format!(r#"{name}_bucket{{{labels},le="+Inf"}} 10"#));
        told(&front, &format!(r#"{name}_bucket{{{labels},le="60"}} 10"#));
        let id = measured.back.instance().as_str();
        assert!(!back.contains(id), "instance ids are no labels");
    })
    .await;
}

/// A Prometheus that scrapes these addresses. It is killed when this is dropped.
struct Prometheus {
    process: Child,
    addr: SocketAddr,
    directory: tempfile::TempDir,
}

impl Prometheus {
    fn start(scraped: &[SocketAddr]) -> Self {
        let port = HeldPort::any();
        let addr = port.addr();
        let directory = tempfile::tempdir().unwrap();
        let targets: Vec<String> = scraped.iter().map(|addr| format!("\"{addr}\"")).collect();
        let config = format!(
            "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
             scrape_configs:\n\
             - job_name: {JOB}\n  static_configs: [{{targets: [{}]}}]\n",
            targets.join(", ")
        );
        let at = directory.path().join("prometheus.yml");
        fs::write(&at, config).unwrap();
        drop(port);
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", at.display()))
            .arg(format!("--web.listen-address={addr}"))
            .arg("--storage.tsdb.path=data")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus runs: is it installed? (Debian's package prometheus)");
        Self {
            process,
            addr,
            directory,
        }
    }

    /// Waits until it answers.
    async fn ready(&mut self) {
        loop {
            if tokio::net::TcpStream::connect(self.addr).await.is_ok()
                && http(self.addr, "GET /-/ready").await.0 == 200
            {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            let log = || fs::read_to_string(self.directory.path().join("log"));
            assert!(
                ended.is_none(),
                "prometheus has ended: {log:?}",
                log = log()
            );
            sleep(PAUSE).await;
        }
    }

    /// The answer to a query, which is a list of series.
    async fn query(&self, query: &str) -> Vec<Value> {
        let mut encoded = String::new();
        for byte in query.bytes() {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        let (_, answer) = http(self.addr, &format!("GET /api/v1/query?query={encoded}")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The first value of a query that is above zero. Calls go on meanwhile.
    async fn above_zero(&self, query: &str, measured: &Measured) -> f64 {
        loop {
            measured.call().await;
            let series = self.query(query).await;
            let value = series
                .first()
                .and_then(|series| series["value"][1].as_str());
            let value = value.and_then(|value| value.parse().ok());
            if let Some(value) = value.filter(|value: &f64| *value > 0.0) {
                return value;
            }
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_reads_rates_and_quantiles_and_understands_the_dashboard() {
    within(async {
        let measured = Measured::start().await;
        let mut prometheus = Prometheus::start(&measured.addrs());
        prometheus.ready().await;
        let calls =
            r#"rate(mesh_calls_total{rpc_method="Back/name",direction="server",status="ok"}[2s])"#;
        prometheus.above_zero(calls, &measured).await;
        let p99 = "histogram_quantile(0.99, sum by (le) \
                   (rate(rpc_server_call_duration_seconds_bucket{rpc_method=\"Back/name\"}[2s])))";
        let p99 = prometheus.above_zero(p99, &measured).await;
        assert!(p99 <= 60.0, "{p99}");
        assert_eq!(prometheus.query("up == 1").await.len(), 3);

        let mut empty = Vec::new();
        for query in queries_of_the_dashboard() {
            let query = query
                .replace("$job", JOB)
                .replace("$rpc_method", ".*")
                .replace("$__rate_interval", "2s");
            if prometheus.query(&query).await.is_empty() {
                empty.push(query);
            }
        }
        // Such as "not ready" in a mesh where all are.
        assert!(
            empty.iter().all(|query| query.contains("== 0")),
            "{empty:#?}"
        );
    })
    .await;
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join("docs/grafana").join(Path::new(file))).unwrap()
}

/// All values of a key, however deep.
fn values_of(json: &Value, key: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == key => found.push(text.clone()),
                    value => values_of(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values_of(item, key, found)),
        _ => {}
    }
}

fn queries_of_the_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("mesh.json")).unwrap();
    let mut queries = Vec::new();
    values_of(&dashboard, "expr", &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    queries
}

/// The names in a text that look like metrics of a mesh.
fn metrics_in(text: &str) -> BTreeSet<String> {
    /// Labels that look like metrics.
    const LABELS: [&str; 4] = [
        "rpc_method",
        "rpc_system_name",
        "messaging_system",
        "messaging_destination_name",
    ];
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let named = words.filter(|word| {
        let prefixes = ["mesh_", "rpc_", "messaging_", "process_"];
        prefixes.iter().any(|prefix| word.starts_with(prefix)) && !LABELS.contains(word)
    });
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_alerts_and_guide_name_only_metrics_that_exist() {
    within(async {
        let names = Measured::start().await.names().await;
        let mut queries = queries_of_the_dashboard().join("\n");
        let dashboard: Value = serde_json::from_str(&read("mesh.json")).unwrap();
        let mut definitions = Vec::new();
        values_of(&dashboard, "definition", &mut definitions);
        queries.push_str(&definitions.join("\n"));
        for text in [queries, read("alerts.yml")] {
            let unknown: Vec<_> = metrics_in(&text).difference(&names).cloned().collect();
            assert!(
                unknown.is_empty(),
                "there are no metrics {unknown:?}, but {names:?}"
            );
        }
        // Each metric is explained in the guide.
        let guide = fs::read_to_string(root().join("docs/guide/src/operations.md")).unwrap();
        let stem = |name: &String| {
            let parts = ["_bucket", "_sum", "_count"];
            let stem = parts.iter().find_map(|part| name.strip_suffix(part));
            stem.unwrap_or(name).to_owned()
        };
        let explained = |name: &String| guide.contains(&format!("`{}`", stem(name)));
        let missing: Vec<_> = names.iter().filter(|name| !explained(name)).collect();
        assert!(missing.is_empty(), "the guide does not explain {missing:?}");
    })
    .await;
}

#[test]
fn promtool_accepts_the_alerts_and_the_configuration() {
    let accepted = promtool(&["check", "rules", "docs/grafana/alerts.yml"], "");
    assert_eq!(accepted, Ok(()));
    let accepted = promtool(&["test", "rules", "docs/grafana/alerts_test.yml"], "");
    assert_eq!(accepted, Ok(()));
    let accepted = promtool(&["check", "config", "docs/grafana/prometheus.yml"], "");
    assert_eq!(accepted, Ok(()));
}
