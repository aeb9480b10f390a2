//! A schema as a diagram: a box for each node type with its commands, an arrow for each link. Both output formats are
//! written from the same `Drawing`, so they show the same. This module knows nothing of files or programs.

use super::{Delivery, Schema, SchemaDescription};

/// The rows of a box: the keywords of the schema, and the deliveries that each row lists.
const ROWS: [(&str, &[Delivery]); 4] = [
    ("balanced", &[Delivery::Balanced]),
    ("broadcast", &[Delivery::Gather, Delivery::Broadcast]),
    ("queued balanced", &[Delivery::QueuedBalanced]),
    ("queued broadcast", &[Delivery::QueuedBroadcast]),
];

impl Schema {
    /// The schema as a [Mermaid](https://mermaid.js.org) flowchart, which GitHub renders in a `mermaid` code block.
    ///
    /// Each node type is a box with its commands by delivery, in the order of the schema. An arrow leads from the node
    /// type that dials to the one that accepts. A dotted arrow leads from a node type to one that it may call only over a
    /// link that the other dials. If `#[allow(..)]` restricts a command, its callers are listed. Equal
    /// schemas give equal text, so a test can check that the diagram in a document matches the schema.
    ///
    /// ```
    /// # use mesh_runtime::mesh_schema;
    /// mesh_schema! {
    ///     mesh Hello;
    ///     node Web { connect: [Greeter]; }
    ///     node Greeter {
    ///         allow: [Web];
    ///         balanced fn greet(name: String) -> String;
    ///         broadcast fn who() -> String;
    ///     }
    /// }
    ///
    /// # fn main() {
    /// assert_eq!(Hello::SCHEMA.to_mermaid(), "\
    /// flowchart LR
    ///     n0[\"<b>Web</b>\"]
    ///     n1[\"<b>Greeter</b><br/>balanced: greet<br/>broadcast: who\"]
    ///     n0 --> n1
    /// ");
    /// # }
    /// ```
    pub fn to_mermaid(&self) -> String {
        Drawing::from(self).to_mermaid()
    }

    /// The schema as a graph for [Graphviz](https://graphviz.org): `dot -Tsvg` renders it.
    ///
    /// It shows the same as [`to_mermaid`](Self::to_mermaid), and equal schemas give equal text too.
    ///
    /// ```
    /// # use mesh_runtime::mesh_schema;
    /// mesh_schema! {
    ///     mesh Hello;
    ///     node Web { connect: [Greeter]; }
    ///     node Greeter {
    ///         allow: [Web];
    ///         balanced fn greet(name: String) -> String;
    ///     }
    /// }
    ///
    /// # fn main() {
    /// assert_eq!(Hello::SCHEMA.to_dot(), r#"digraph "Hello" {
    ///     rankdir=LR;
    ///     node [shape=box, fontname="sans-serif"];
    ///     n0 [label=<<b>Web</b>>];
    ///     n1 [label=<<b>Greeter</b><br/>balanced: greet<br align="left"/>>];
    ///     n0 -> n1;
    /// }
    /// "#);
    /// # }
    /// ```
    pub fn to_dot(&self) -> String {
        Drawing::from(self).to_dot()
    }
}

impl SchemaDescription {
    /// As [`Schema::to_mermaid`].
    pub fn to_mermaid(&self) -> String {
        Drawing::from(self).to_mermaid()
    }

    /// As [`Schema::to_dot`].
    pub fn to_dot(&self) -> String {
        Drawing::from(self).to_dot()
    }
}

/// The content of a diagram. Boxes are identified by number, because the name of a node type may be a keyword of the
/// output format.
struct Drawing<'a> {
    mesh: &'a str,
    boxes: Vec<NodeBox<'a>>,
    arrows: Vec<Arrow>,
}

/// Who may call whom, as indexes into `boxes`.
struct Arrow {
    from: usize,
    to: usize,
    /// Over a link that the other end dials, and only there.
    is_back: bool,
}

/// A node type.
struct NodeBox<'a> {
    name: &'a str,
    links_to: Vec<&'a str>,
    /// The node types that may call it over links that it dials; `None` is all.
    reverse: Option<Vec<&'a str>>,
    commands: Vec<DrawnCommand<'a>>,
}

/// A command of a node type.
struct DrawnCommand<'a> {
    name: &'a str,
    /// `None` is a way that this version does not know.
    delivery: Option<Delivery>,
    /// The only node types that may call it.
    allow: Option<Vec<&'a str>>,
}

impl<'a> From<&'a Schema> for Drawing<'a> {
    fn from(schema: &'a Schema) -> Self {
        let boxes = schema.nodes.iter().map(|node| NodeBox {
            name: node.name,
            links_to: node.links_to.to_vec(),
            reverse: node.reverse.map(<[_]>::to_vec),
            commands: node
                .commands
                .iter()
                .map(|command| DrawnCommand {
                    name: command.name,
                    delivery: Some(command.delivery),
                    allow: command.allow.map(<[_]>::to_vec),
                })
                .collect(),
        });
        Self::new(schema.mesh, boxes.collect())
    }
}

impl<'a> From<&'a SchemaDescription> for Drawing<'a> {
    fn from(schema: &'a SchemaDescription) -> Self {
        let boxes = schema.nodes.iter().map(|node| NodeBox {
            name: &node.name,
            links_to: texts(&node.links_to),
            reverse: node.reverse.as_deref().map(texts),
            commands: node
                .commands
                .iter()
                .map(|command| DrawnCommand {
                    name: &command.name,
                    delivery: command.delivery,
                    allow: command.options.allow.as_deref().map(texts),
                })
                .collect(),
        });
        Self::new(&schema.mesh, boxes.collect())
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

impl<'a> Drawing<'a> {
    fn new(mesh: &'a str, boxes: Vec<NodeBox<'a>>) -> Self {
        let mut arrows = Vec::new();
        for (from, node) in boxes.iter().enumerate() {
            let number = |name: &&str| boxes.iter().position(|node| node.name == *name);
            arrows.extend(node.links_to.iter().filter_map(number).map(|to| Arrow {
                from,
                to,
                is_back: false,
            }));
        }
        for (from, caller) in boxes.iter().enumerate() {
            let called = boxes.iter().enumerate();
            let called_back = called.filter(|(_, callee)| caller.calls_only_back(callee));
            arrows.extend(called_back.map(|(to, _)| Arrow {
                from,
                to,
                is_back: true,
            }));
        }
        Self {
            mesh,
            boxes,
            arrows,
        }
    }

    fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (id, node) in self.boxes.iter().enumerate() {
            let name = escape(node.name, mermaid_entity);
            let rows = node.rows();
            let rows = rows.map(|row| format!("<br/>{}", escape(&row, mermaid_entity)));
            let rows: String = rows.collect();
            text.push_str(&format!("    n{id}[\"<b>{name}</b>{rows}\"]\n"));
        }
        for Arrow { from, to, is_back } in &self.arrows {
            let line = if *is_back { "-.->" } else { "-->" };
            text.push_str(&format!("    n{from} {line} n{to}\n"));
        }
        text
    }

    fn to_dot(&self) -> String {
        let mesh = self.mesh.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = format!(
            "digraph \"{mesh}\" {{\n    rankdir=LR;\n    node [shape=box, fontname=\"sans-serif\"];\n"
        );
        for (id, node) in self.boxes.iter().enumerate() {
            let name = escape(node.name, xml_entity);
            let rows = node.rows();
            let rows = rows.map(|row| format!("{}<br align=\"left\"/>", escape(&row, xml_entity)));
            let rows: String = rows.collect();
            // A line break sets the alignment of the line before it; the name is centred.
            let end_of_name = if rows.is_empty() { "" } else { "<br/>" };
            text.push_str(&format!(
                "    n{id} [label=<<b>{name}</b>{end_of_name}{rows}>];\n"
            ));
        }
        for Arrow { from, to, is_back } in &self.arrows {
            let style = if *is_back { " [style=dotted]" } else { "" };
            text.push_str(&format!("    n{from} -> n{to}{style};\n"));
        }
        text.push_str("}\n");
        text
    }
}

impl NodeBox<'_> {
    /// Its commands, one row for each of [`ROWS`] that has any.
    fn rows(&self) -> impl Iterator<Item = String> {
        ROWS.iter().filter_map(|(words, deliveries)| {
            let listed = self.commands.iter().filter(|command| {
                let delivery = command.delivery;
                delivery.is_some_and(|delivery| deliveries.contains(&delivery))
            });
            let commands: Vec<String> = listed.map(DrawnCommand::name_and_callers).collect();
            (!commands.is_empty()).then(|| format!("{words}: {}", commands.join(", ")))
        })
    }

    /// Whether its calls reach a command of `callee`, and only over links that the callee dials.
    fn calls_only_back(&self, callee: &NodeBox<'_>) -> bool {
        let has = |callers: &Option<Vec<&str>>| {
            let callers = callers.as_ref();
            callers.is_none_or(|callers| callers.contains(&self.name))
        };
        callee.links_to.contains(&self.name)
            && has(&callee.reverse)
            && !self.links_to.contains(&callee.name)
            && callee.commands.iter().any(|command| has(&command.allow))
    }
}

impl DrawnCommand<'_> {
    /// Its name, with its callers if they are restricted.
    fn name_and_callers(&self) -> String {
        match &self.allow {
            Some(callers) => format!("{} (only {})", self.name, callers.join(", ")),
            None => self.name.to_owned(),
        }
    }
}

/// Replaces every character that is special in the output format.
fn escape(text: &str, entity: fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match entity(char) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(char),
        }
    }
    escaped
}

/// The entity for a character in the quotes of a Mermaid label, which is also HTML. Mermaid's entities begin with `#`.
fn mermaid_entity(char: char) -> Option<&'static str> {
    match char {
        '"' => Some("#quot;"),
        '#' => Some("#35;"),
        '`' => Some("#96;"),
        '&' => Some("#amp;"),
        '<' => Some("#lt;"),
        '>' => Some("#gt;"),
        _ => None,
    }
}

/// The entity for a character in an HTML label of Graphviz.
fn xml_entity(char: char) -> Option<&'static str> {
    match char {
        '"' => Some("&quot;"),
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CommandSpec, NodeSpec};

    #[test]
    fn a_description_is_drawn_like_the_schema_that_it_describes() {
        let described = ODD.describe();
        assert_eq!(described.to_mermaid(), ODD.to_mermaid());
        assert_eq!(described.to_dot(), ODD.to_dot());
    }

    /// Names that are keywords of Mermaid or Graphviz, or that are no Rust identifiers.
    static ODD: Schema = Schema::new(
        "A \"mesh\"\\",
        "",
        &[
            &NodeSpec::new("end", "", &["end", "größe"], &[]),
            &NodeSpec::new("größe", "", &["subgraph"], &[COMMAND, FOR_TWO]),
            &NodeSpec::new("subgraph", "", &[], &[RECORD]),
            &NodeSpec::new("a#<b>&\"`c`", "", &["nobody"], &[]),
        ],
    );
    const COMMAND: CommandSpec =
        CommandSpec::new("type", 1, 1, Delivery::QueuedBroadcast, &[], "()");
    const RECORD: CommandSpec = CommandSpec::new("record", 2, 2, Delivery::Balanced, &[], "()");
    const FOR_TWO: CommandSpec = RECORD.allow(&["end", "größe"]);

    #[test]
    fn mermaid_of_odd_names() {
        let expected = r##"flowchart LR
    n0["<b>end</b>"]
    n1["<b>größe</b><br/>balanced: record (only end, größe)<br/>queued broadcast: type"]
    n2["<b>subgraph</b><br/>balanced: record"]
    n3["<b>a#35;#lt;b#gt;#amp;#quot;#96;c#96;</b>"]
    n0 --> n0
    n0 --> n1
    n1 --> n2
    n2 -.-> n1
"##;
        assert_eq!(ODD.to_mermaid(), expected);
    }

    #[test]
    fn dot_of_odd_names() {
        let expected = r#"digraph "A \"mesh\"\\" {
    rankdir=LR;
    node [shape=box, fontname="sans-serif"];
    n0 [label=<<b>end</b>>];
    n1 [label=<<b>größe</b><br/>balanced: record (only end, größe)<br align="left"/>queued broadcast: type<br align="left"/>>];
    n2 [label=<<b>subgraph</b><br/>balanced: record<br align="left"/>>];
    n3 [label=<<b>a#&lt;b&gt;&amp;&quot;`c`</b>>];
    n0 -> n0;
    n0 -> n1;
    n1 -> n2;
    n2 -> n1 [style=dotted];
}
"#;
        assert_eq!(ODD.to_dot(), expected);
    }

    #[test]
    fn calls_back_are_dotted_where_they_are_possible() {
        const WORK: NodeSpec = NodeSpec::new("Work", "", &["Index", "Mute", "Peer"], &[RECORD]);
        const INDEX: NodeSpec = NodeSpec::new("Index", "", &[], &[]);
        const PEER: NodeSpec = NodeSpec::new("Peer", "", &["Work"], &[]);
        let arrows = |work: &'static NodeSpec| {
            let nodes: &'static [&'static NodeSpec] = Box::leak(Box::new([work, &INDEX, &PEER]));
            let text = Schema::new("Test", "", nodes).to_mermaid();
            let lines = text.lines().filter(|line| line.contains(">")).skip(3);
            lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        // Links both ways need no dotted arrow.
        assert_eq!(
            arrows(&WORK),
            ["n0 --> n1", "n0 --> n2", "n2 --> n0", "n1 -.-> n0"]
        );
        const CLOSED: NodeSpec = WORK.reverse(&[]);
        assert_eq!(arrows(&CLOSED), ["n0 --> n1", "n0 --> n2", "n2 --> n0"]);
        const FOR_END: NodeSpec = NodeSpec::new("Work", "", &["Index"], &[FOR_TWO]);
        assert_eq!(arrows(&FOR_END), ["n0 --> n1", "n2 --> n0"]);
    }

    #[test]
    fn both_deliveries_of_a_broadcast_share_a_row_and_rows_have_an_order() {
        const fn command(name: &'static str, delivery: Delivery) -> CommandSpec {
            CommandSpec::new(name, 0, 0, delivery, &[], "()")
        }
        static NODE: NodeSpec = NodeSpec::new(
            "A",
            "",
            &[],
            &const {
                [
                    command("each", Delivery::QueuedBroadcast),
                    command("told", Delivery::Broadcast),
                    command("one", Delivery::Balanced),
                    command("later", Delivery::QueuedBalanced),
                    command("asked", Delivery::Gather),
                ]
            },
        );
        let schema = Schema::new("Test", "", const { &[&NODE] });
        let rows: Vec<_> = Drawing::from(&schema).boxes[0].rows().collect();
        assert_eq!(
            rows,
            [
                "balanced: one",
                "broadcast: told, asked",
                "queued balanced: later",
                "queued broadcast: each",
            ]
        );
    }

    #[test]
    fn a_mesh_without_node_types_is_an_empty_picture() {
        let schema = Schema::new("Empty", "", &[]);
        assert_eq!(schema.to_mermaid(), "flowchart LR\n");
        assert!(schema.to_dot().ends_with("];\n}\n"));
    }
}
