//! The table without a terminal of its own: as text, and as JSON.

use serde_json::{Value, json};

use super::{
    cells,
    rates::{Answered, Figures, Row, Totals},
    sample::Sample,
    state::{COLUMNS, State},
};
use crate::output::{self, milliseconds, rounded};

/// The table as text, with a line about the mesh.
pub(super) fn table(state: &State) -> String {
    let headings = COLUMNS.map(cells::heading);
    let lines = state.lines();
    let rows = lines
        .iter()
        .map(|line| COLUMNS.map(|column| cells::text(line, column)).to_vec());
    let right: Vec<usize> = (1..COLUMNS.len()).collect();
    let table = output::table(&headings, rows.collect(), &right);
    format!("{}\n\n{table}", about(&state.mesh, &state.totals))
}

fn about(mesh: &str, totals: &Totals) -> String {
    let calls = cells::rate(totals.calls_per_s);
    let errors = cells::rate(totals.errors_per_s);
    let mut text = format!(
        "{mesh}: {}, {calls} calls/s, {errors} errors/s",
        cells::nodes(totals)
    );
    if totals.unreachable > 0 {
        text.push_str(&format!(", {} unreachable", totals.unreachable));
    }
    if totals.no_metrics > 0 {
        text.push_str(&format!(", {} no metrics", totals.no_metrics));
    }
    if totals.master_lost {
        text.push_str(", the master does not answer");
    }
    text
}

/// All of it as JSON. What is not known is `null`.
pub(super) fn json(state: &State, sample: &Sample) -> Value {
    let named = |wanted: Answered| {
        let nodes = sample.nodes.iter();
        let nodes = nodes.filter(|node| node.answered() == wanted);
        nodes
            .map(|node| format!("{}/{}", node.process.node_type, node.process.instance))
            .collect::<Vec<String>>()
    };
    json!({
        "at_ms": output::now_ms(),
        "mesh": state.mesh,
        "master_lost": state.totals.master_lost,
        "nodes": state.totals.nodes,
        "unreachable": named(Answered::No),
        "no_metrics": named(Answered::NoMetrics),
        "calls_per_s": state.totals.calls_per_s.map(rounded),
        "errors_per_s": state.totals.errors_per_s.map(rounded),
        "commands": state.rows.iter().map(row).collect::<Vec<Value>>(),
    })
}

fn row(row: &Row) -> Value {
    let instances = row.instances.iter().map(|instance| {
        let mut json = figures(&instance.figures);
        json["instance"] = json!(instance.instance);
        json["answered"] = json!(instance.answered == Answered::Yes);
        json
    });
    let mut json = figures(&row.figures);
    json["type"] = json!(row.key.node_type);
    json["command"] = json!(row.key.command);
    json["kind"] = json!(row.key.kind.name());
    json["instances"] = instances.collect::<Vec<Value>>().into();
    json
}

fn figures(figures: &Figures) -> Value {
    json!({
        "calls_per_s": figures.calls_per_s.map(rounded),
        "errors_per_s": figures.errors_per_s.map(rounded),
        "p50_ms": figures.p50.map(milliseconds),
        "p99_ms": figures.p99.map(milliseconds),
        "in_flight": figures.in_flight,
        "waiting": figures.waiting,
        "dead": figures.dead,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::{
        rates::tests::{sample, silent},
        state::tests::state,
    };

    #[test]
    fn the_plain_table_has_the_same_columns_and_a_line_about_the_mesh() {
        let text = table(&state());
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("Shop: 2 nodes, 11 calls/s, 0 errors/s, 1 unreachable")
        );
        assert_eq!(lines.next(), Some(""));
        let header = lines.next().unwrap();
        for column in COLUMNS {
            assert!(header.contains(cells::heading(column)), "{header}");
        }
        let charge = lines.next().unwrap();
        assert!(charge.starts_with("Billing.charge"), "{charge}");
    }

    #[test]
    fn json_has_every_command_with_its_instances() {
        let json = json(&state(), &sample(vec![silent("b2")]));
        assert_eq!(json["unreachable"], json!(["Billing/b2"]));
        assert_eq!(json["calls_per_s"], 11.0);
        let charge = &json["commands"][0];
        assert_eq!(
            (&charge["command"], &charge["kind"]),
            (&json!("charge"), &json!("call"))
        );
        assert_eq!(charge["calls_per_s"], 10.0);
        assert_eq!(charge["instances"][1]["answered"], false);
        assert_eq!(charge["instances"][1]["calls_per_s"], Value::Null);
        assert_eq!(json["commands"][2]["waiting"], 1_234);
    }
}
