//! How the mesh is reached: by options, else by the environment, else by a profile.

use std::time::Duration;

use clap::Args;
use mesh_runtime::{Keys, operator::OperatorBuilder};

use crate::{
    error::{CliError, Result},
    profile::{self, Profile},
};

/// The variables of the environment, by name. One that is empty counts as not set.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long to wait for an answer, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of many nodes may take to be reached, unless told otherwise.
const NODE_TIMEOUT: Duration = Duration::from_millis(800);
/// The longest that can be waited for anything.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// The master, if nothing says where it is. Its port is asked for at the discovery port.
const THIS_MACHINE: &str = "127.0.0.1";

/// The options that say how the mesh is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The master's address; a host alone is asked at its discovery port
    ///
    /// Without this option: MESH_MASTER, else the profile, else this machine.
    #[arg(
        long,
        global = true,
        value_name = "HOST[:PORT]",
        help_heading = "Connection"
    )]
    pub(crate) master: Option<String>,

    /// The profile to use: a file in ~/.config/mesh, without its ending .toml
    ///
    /// It may set master, public_key, private_key and redis. Options and the environment come before it. Without this
    /// option: MESH_PROFILE, else the profile `default` if there is one.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) profile: Option<String>,

    /// The public name of the mesh
    ///
    /// Without this option: MESH_PUBLIC_KEY, else the profile. There is no option for the private key, because shells
    /// keep what is typed: it comes from MESH_PRIVATE_KEY, else from the profile.
    #[arg(long, global = true, value_name = "TEXT", help_heading = "Connection")]
    pub(crate) public_key: Option<String>,

    /// Connect as an observer, who changes nothing and sees no arguments and no texts of errors
    #[arg(long, global = true, help_heading = "Connection")]
    pub(crate) observer: bool,

    /// How long to wait for a connection or an answer, as 500ms or 1m [default: 5s; of a call, as declared]
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Connection"
    )]
    pub(crate) timeout: Option<Duration>,

    /// How long one node may take to be reached when many are asked
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "800ms",
        help_heading = "Connection"
    )]
    pub(crate) node_timeout: Duration,

    /// The master's discovery port
    ///
    /// Without this option: MESH_DISCOVERY_PORT, else 8765.
    #[arg(
        long,
        global = true,
        value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Connection"
    )]
    pub(crate) discovery_port: Option<u16>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            master: None,
            profile: None,
            public_key: None,
            observer: false,
            timeout: None,
            node_timeout: NODE_TIMEOUT,
            discovery_port: None,
        }
    }
}

/// What the options, the environment and the profile say together, without the keys.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The master, as `host:port` or `host`.
    pub(crate) master: String,
    /// The URL of the Redis that holds the queues. It may contain a password.
    pub(crate) redis: Option<String>,
    pub(crate) observer: bool,
    /// For a connection, and for an answer.
    pub(crate) timeout: Duration,
    /// For the connection with one of many nodes.
    pub(crate) node_timeout: Duration,
    pub(crate) discovery_port: Option<u16>,
}

impl Connection {
    /// The keys of the mesh.
    pub(crate) fn keys(&self) -> Result<Keys> {
        self.keys_from(&variable)
    }

    /// Everything else.
    pub(crate) fn settings(&self) -> Result<Settings> {
        self.settings_from(&variable)
    }

    fn keys_from(&self, environment: Environment<'_>) -> Result<Keys> {
        let profile = self.load_profile(environment)?;
        let public = self.public_key.clone();
        let public = public.or_else(|| environment("MESH_PUBLIC_KEY"));
        let Some(public) = public.or(profile.public_key) else {
            return Err(no_key("public", "--public-key, MESH_PUBLIC_KEY"));
        };
        let private = environment("MESH_PRIVATE_KEY");
        let Some(private) = private.or(profile.private_key) else {
            return Err(no_key("private", "MESH_PRIVATE_KEY"));
        };
        Ok(Keys::new(public, private))
    }

    fn settings_from(&self, environment: Environment<'_>) -> Result<Settings> {
        let profile = self.load_profile(environment)?;
        let master = self.master.clone();
        let master = master
            .or_else(|| environment("MESH_MASTER"))
            .or(profile.master);
        Ok(Settings {
            master: master.unwrap_or_else(|| THIS_MACHINE.to_owned()),
            redis: environment("MESH_REDIS_URL").or(profile.redis),
            observer: self.observer,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            node_timeout: self.node_timeout,
            discovery_port: match self.discovery_port {
                Some(port) => Some(port),
                None => environment("MESH_DISCOVERY_PORT")
                    .map(|text| discovery_port(&text))
                    .transpose()?,
            },
        })
    }

    fn load_profile(&self, environment: Environment<'_>) -> Result<Profile> {
        let named = self.profile.clone();
        let named = named.or_else(|| environment("MESH_PROFILE"));
        profile::load(named.as_deref(), environment)
    }
}

impl Settings {
    /// Connects with the given keys as these settings say.
    pub(crate) fn operators(&self, keys: &Keys) -> OperatorBuilder {
        let mut builder = OperatorBuilder::new(keys).timeout(self.timeout);
        if self.observer {
            builder = builder.observer();
        }
        if let Some(port) = self.discovery_port {
            builder = builder.discovery_port(port);
        }
        builder
    }
}

/// Reads a duration as `800ms` or `1m 30s`. It must not be 0, and is 24 hours at most.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() || duration > MAX_TIMEOUT {
        return Err("it must be more than 0 and at most 24h".to_owned());
    }
    Ok(duration)
}

/// A variable of the environment, if it is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn discovery_port(text: &str) -> Result<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(CliError::usage(format!(
            "MESH_DISCOVERY_PORT: `{text}` is no port: ports are 1 to 65535"
        ))),
    }
}

fn no_key(which: &str, where_from: &str) -> CliError {
    CliError::usage(format!("no {which} key is given")).hint(format!(
        "give it by {where_from} or a profile (--profile); `mesh key new` makes keys for a new mesh"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with these variables, and without profiles.
    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn options_come_before_the_environment() {
        let environment = with(&[
            ("MESH_MASTER", "from-env:1"),
            ("MESH_PUBLIC_KEY", "from-env"),
            ("MESH_PRIVATE_KEY", "hush"),
            ("MESH_DISCOVERY_PORT", "1234"),
        ]);
        let plain = Connection::default();
        let settings = plain.settings_from(&environment).unwrap();
        assert_eq!(settings.master, "from-env:1");
        assert_eq!(settings.discovery_port, Some(1234));
        assert_eq!(plain.keys_from(&environment).unwrap().public(), "from-env");

        let given = Connection {
            master: Some("given:2".to_owned()),
            public_key: Some("given".to_owned()),
            discovery_port: Some(5),
            ..Connection::default()
        };
        let settings = given.settings_from(&environment).unwrap();
        assert_eq!(settings.master, "given:2");
        assert_eq!(settings.discovery_port, Some(5));
        assert_eq!(given.keys_from(&environment).unwrap().public(), "given");
    }

    #[test]
    fn without_anything_the_master_is_on_this_machine_and_keys_are_missing() {
        let nothing = with(&[]);
        let connection = Connection::default();
        let settings = connection.settings_from(&nothing).unwrap();
        assert_eq!(settings.master, "127.0.0.1");
        let missing = connection.keys_from(&nothing).unwrap_err();
        assert!(missing.what().contains("no public key"));
        let half = with(&[("MESH_PUBLIC_KEY", "shop")]);
        let missing = connection.keys_from(&half).unwrap_err();
        assert!(missing.what().contains("no private key"));
    }

    #[test]
    fn a_discovery_port_must_be_a_port() {
        for bad in ["0", "70000", "x"] {
            let variables = [("MESH_DISCOVERY_PORT", bad)];
            let environment = with(&variables);
            let refused = Connection::default().settings_from(&environment);
            assert!(refused.unwrap_err().what().contains("is no port"), "{bad}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_limits() {
        assert_eq!(duration("800ms"), Ok(NODE_TIMEOUT));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "5", "0s", "25h", "-1s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
