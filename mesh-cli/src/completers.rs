//! What a shell offers to complete: names of the running mesh. Without a mesh, or without an answer in time, nothing.

use std::{collections::HashMap, time::Duration};

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use mesh_runtime::{
    operator::{LinkState, Operator},
    schema::{CommandDescription, SchemaDescription},
};

use crate::{connection::Connection, fleet::full_name, output::plain};

/// How long a person waits for a completion.
const LIMIT: Duration = Duration::from_secs(1);

/// The node types of the schema.
pub(crate) fn node_types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| of_schema(|schema| types_in(&schema)))
}

/// The commands of the schema, as `Billing.charge`.
pub(crate) fn commands() -> ArgValueCandidates {
    ArgValueCandidates::new(|| of_schema(|schema| commands_in(&schema, |_| true)))
}

/// The commands that are queued.
pub(crate) fn queued_commands() -> ArgValueCandidates {
    ArgValueCandidates::new(|| of_schema(|schema| commands_in(&schema, is_queued)))
}

/// The nodes that the master lists.
pub(crate) fn instances() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        from_master(|master| async move {
            let links = master.links().await.ok()?;
            Some(instances_in(&links.links))
        })
    })
}

fn of_schema(
    candidates: impl FnOnce(SchemaDescription) -> Vec<CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    from_master(|master| async move {
        let description = master.describe().await.ok()?;
        Some(candidates(description.schema))
    })
}

/// Asks the master.
fn from_master<F, Fut>(ask: F) -> Vec<CompletionCandidate>
where
    F: FnOnce(Operator) -> Fut,
    Fut: Future<Output = Option<Vec<CompletionCandidate>>>,
{
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = built else {
        return Vec::new();
    };
    let asked = async {
        let master = connect().await?;
        ask(master).await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(LIMIT, asked).await });
    // What still derives the keys must not keep the shell.
    runtime.shutdown_background();
    answer.ok().flatten().unwrap_or_default()
}

async fn connect() -> Option<Operator> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<_> = words.collect();
    let connection = Connection {
        master: option_in(&words, "--master"),
        profile: option_in(&words, "--profile"),
        public_key: option_in(&words, "--public-key"),
        discovery_port: option_in(&words, "--discovery-port").and_then(|port| port.parse().ok()),
        timeout: Some(LIMIT),
        ..Connection::default()
    };
    let settings = connection.settings().ok()?;
    let operators = settings.operators(&connection.keys().ok()?);
    operators.master(&settings.master).await.ok()
}

/// The value of an option in the words that are typed so far.
fn option_in(words: &[String], option: &str) -> Option<String> {
    let mut words = words.iter();
    let word = words.find_map(|word| word.strip_prefix(option).filter(|rest| is_end(rest)))?;
    if let Some(value) = word.strip_prefix('=') {
        return Some(value.to_owned());
    }
    // Some shells make words of their own of an equals sign.
    words.find(|word| *word != "=").cloned()
}

/// Whether the name of an option ends here.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('=')
}

fn types_in(schema: &SchemaDescription) -> Vec<CompletionCandidate> {
    let nodes = schema.nodes.iter();
    nodes.map(|node| candidate(&node.name, &node.doc)).collect()
}

fn commands_in(
    schema: &SchemaDescription,
    is_wanted: impl Fn(&CommandDescription) -> bool,
) -> Vec<CompletionCandidate> {
    let mut candidates = Vec::new();
    for node in &schema.nodes {
        for command in node.commands.iter().filter(|command| is_wanted(command)) {
            let name = format!("{}.{}", node.name, command.name);
            candidates.push(candidate(&name, &command.doc));
        }
    }
    candidates
}

fn is_queued(command: &CommandDescription) -> bool {
    command
        .delivery
        .is_some_and(|delivery| delivery.is_queued())
}

/// Each node by its instance alone if no other has the same. Full names are offered to those who begin to type one.
fn instances_in(nodes: &[LinkState]) -> Vec<CompletionCandidate> {
    let mut nodes_with: HashMap<&str, usize> = HashMap::new();
    for node in nodes {
        *nodes_with.entry(&node.peer.instance).or_default() += 1;
    }
    let mut candidates = Vec::new();
    for node in nodes {
        let instance = node.peer.instance.as_str();
        let is_unique = nodes_with.get(instance) == Some(&1);
        if is_unique {
            candidates.push(candidate(instance, &node.peer.node_type));
        }
        candidates.push(candidate(&full_name(&node.peer), "").hide(is_unique));
    }
    candidates
}

/// A candidate with the first line of its documentation.
fn candidate(name: &str, doc: &str) -> CompletionCandidate {
    let doc = doc.lines().next().map(|line| plain(line.trim()));
    let doc = doc.filter(|line| !line.is_empty());
    CompletionCandidate::new(plain(name)).help(doc.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::tests::node;

    fn shown(candidates: &[CompletionCandidate]) -> Vec<&str> {
        let shown = candidates.iter().filter(|one| !one.is_hide_set());
        shown.filter_map(|one| one.get_value().to_str()).collect()
    }

    fn schema() -> SchemaDescription {
        let command = |name: &str, delivery: &str| {
            serde_json::json!({
                "name": name, "id": "0x00000001", "fingerprint": "0x0000000000000001",
                "wire_fingerprint": "0x0000000000000001", "delivery": delivery, "args": []
            })
        };
        let schema = serde_json::json!({
            "mesh": "Shop", "fingerprint": "0x0000000000000001", "types": [],
            "nodes": [{
                "name": "Billing", "doc": " Charges customers.\n\n More.", "links_to": [],
                "commands": [command("charge", "balanced"), command("export", "queued_balanced")]
            }]
        });
        SchemaDescription::from_json(&schema.to_string()).unwrap()
    }

    #[test]
    fn types_and_commands_come_from_the_schema() {
        let schema = schema();
        let types = types_in(&schema);
        assert_eq!(shown(&types), ["Billing"]);
        assert_eq!(
            types[0].get_help().unwrap().to_string(),
            "Charges customers."
        );
        let all = commands_in(&schema, |_| true);
        assert_eq!(shown(&all), ["Billing.charge", "Billing.export"]);
        let queued = commands_in(&schema, is_queued);
        assert_eq!(shown(&queued), ["Billing.export"]);
    }

    #[test]
    fn an_instance_that_is_not_unique_is_offered_with_its_type() {
        let nodes = [
            node("Billing", "b1"),
            node("Billing", "main"),
            node("Stock", "main"),
        ];
        let candidates = instances_in(&nodes);
        assert_eq!(shown(&candidates), ["b1", "Billing/main", "Stock/main"]);
        assert_eq!(candidates.len(), 4);
    }

    #[test]
    fn the_profile_is_found_among_the_words() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for text in [
            "mesh --profile shop call",
            "mesh --profile=shop call",
            "mesh call --profile = shop",
        ] {
            let profile = option_in(&words(text), "--profile");
            assert_eq!(profile.as_deref(), Some("shop"), "{text}");
        }
        for none in ["mesh call", "mesh --profile", "mesh --profiles shop"] {
            assert_eq!(option_in(&words(none), "--profile"), None, "{none}");
        }
    }
}
