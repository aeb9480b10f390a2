//! `mesh schema`: node types, commands and their types.

mod text;
mod types;

use clap::Args;

use crate::{
    context::Context,
    error::Result,
    fleet::find,
    output::{self, plain_lines},
};

/// Shows node types, commands and their types.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh schema                         as text
  mesh schema --mermaid               as a diagram for Markdown
  mesh schema --dot | dot -Tsvg       as a picture, with Graphviz
  mesh schema --json > shop.json      with the structures of all types, for programs
  mesh schema --of b1                 what one node declares, which may be of another version

It is the schema of the master, unless --of says otherwise.")]
pub(crate) struct SchemaArgs {
    /// Draw a Mermaid flowchart
    #[arg(long, conflicts_with = "dot")]
    mermaid: bool,

    /// Draw a graph for Graphviz
    #[arg(long)]
    dot: bool,

    /// Ask this node instead of the master: INSTANCE or TYPE/INSTANCE
    #[arg(long, value_name = "INSTANCE", add = crate::completers::instances())]
    of: Option<String>,
}

pub(crate) async fn run(args: SchemaArgs, context: &Context) -> Result<()> {
    let fleet = context.fleet().await?;
    let description = match &args.of {
        Some(name) => {
            let nodes = fleet.nodes().await?;
            let node = fleet.open(find(&nodes, name)?).await?;
            node.describe().await?
        }
        None => fleet.describe().await?,
    };
    let schema = description.schema;
    if args.mermaid {
        return output::print(&plain_lines(&schema.to_mermaid()));
    }
    if args.dot {
        return output::print(&plain_lines(&schema.to_dot()));
    }
    if context.json {
        return output::json(&schema);
    }
    output::print(&text::of(&schema))
}
