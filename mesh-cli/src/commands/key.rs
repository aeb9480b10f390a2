//! `mesh key`: makes the keys of a new mesh.

use clap::{Args, Subcommand};
use mesh_runtime::{InstanceId, Keys};
use serde::Serialize;

use crate::{
    connection::variable,
    context::Context,
    error::{CliError, Result},
    output,
    profile::{self, Profile},
};

/// How many random hexadecimal digits a public name has that was not chosen.
const NAME_DIGITS: usize = 8;

/// Makes keys.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// Make the keys of a new mesh
    New(NewArgs),
}

/// Makes the keys of a new mesh.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh key new >> .env                                         for the nodes and the master
  mesh key new --name shop --profile shop --master 10.0.0.1:7000
                                                               writes ~/.config/mesh/shop.toml

All nodes and masters of a mesh get the same two texts, as MESH_PUBLIC_KEY and MESH_PRIVATE_KEY. Whoever has the private
key can do everything in the mesh: keep it secret. With --profile, it is written to a file that only you can read, and
not printed; --master is then the address in that file.")]
struct NewArgs {
    /// The public name of the mesh, which is not secret. Default: `mesh-` and 8 random digits
    #[arg(long, value_name = "PUBLIC")]
    name: Option<String>,
}

pub(crate) async fn run(args: KeyArgs, context: &Context) -> Result<()> {
    let KeyCommand::New(args) = args.command;
    let public = match args.name {
        Some(name) => checked(name)?,
        None => random_name(),
    };
    let private = Keys::generate();
    match &context.connection.profile {
        Some(name) => write(name, public, private, context),
        None => print(&public, &private, context),
    }
}

fn print(public: &str, private: &str, context: &Context) -> Result<()> {
    if context.connection.master.is_some() {
        return Err(CliError::usage("--master is of no use without --profile")
            .hint("add --profile NAME to write a profile with this address, or leave it out"));
    }
    if context.json {
        return output::json(&Made {
            public_key: public,
            private_key: Some(private),
            profile: None,
        });
    }
    output::print(&variables(public, private))
}

fn write(name: &str, public: String, private: String, context: &Context) -> Result<()> {
    let profile = Profile {
        master: context.connection.master.clone(),
        public_key: Some(public.clone()),
        private_key: Some(private),
        redis: None,
    };
    let path = profile::create(name, &profile, &variable)?;
    let path = path.display().to_string();
    if context.json {
        return output::json(&Made {
            public_key: &public,
            private_key: None,
            profile: Some(&path),
        });
    }
    output::print(&format!(
        "The keys of `{public}` are in {path}.\nNodes and masters need both, as MESH_PUBLIC_KEY and MESH_PRIVATE_KEY.\n\
         Try: mesh --profile {name} nodes"
    ))
}

/// The output.
#[derive(Serialize)]
struct Made<'a> {
    public_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

/// Both texts as a shell and most readers of `.env` files take them.
fn variables(public: &str, private: &str) -> String {
    format!(
        "MESH_PUBLIC_KEY={}\nMESH_PRIVATE_KEY={}",
        quoted(public),
        quoted(private)
    )
}

/// A text in single quotes, if it has characters that a shell would not take as they are.
fn quoted(text: &str) -> String {
    let is_simple = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if text.chars().all(is_simple) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn checked(name: String) -> Result<String> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(
            CliError::usage("--name is empty or has control characters").hint(
                "give a name that no other mesh around has, as `shop-production`; it is not secret",
            ),
        );
    }
    Ok(name)
}

/// A name that no other mesh around has, most probably.
fn random_name() -> String {
    let random = InstanceId::random();
    let digits: String = random.as_str().chars().take(NAME_DIGITS).collect();
    format!("mesh-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_not_chosen_is_random() {
        let (one, other) = (random_name(), random_name());
        assert_eq!(one.len(), "mesh-".len() + NAME_DIGITS);
        assert_ne!(one, other);
        let digits = one.strip_prefix("mesh-").unwrap();
        assert!(digits.chars().all(|c| c.is_ascii_hexdigit()), "{one}");
    }

    #[test]
    fn keys_are_printed_as_variables() {
        let private = Keys::generate();
        let text = variables("shop", &private);
        assert_eq!(
            text,
            format!("MESH_PUBLIC_KEY=shop\nMESH_PRIVATE_KEY={private}")
        );
    }

    #[test]
    fn odd_names_are_quoted_or_refused() {
        assert_eq!(quoted("my shop"), "'my shop'");
        assert_eq!(quoted("ada's $HOME"), r"'ada'\''s $HOME'");
        assert_eq!(quoted("größe-1.x"), "größe-1.x");
        assert!(checked(String::new()).is_err());
        assert!(checked("a\nb".to_owned()).is_err());
        assert_eq!(checked("shop".to_owned()).unwrap(), "shop");
    }
}
