//! How jobs are reached: through instances of the node type, or straight in Redis.

use std::path::PathBuf;

use mesh_runtime::operator::{LinkState, Operator, OperatorError, QueueCounts};

use super::{
    places::{Place, Places, Way},
    print,
    straight::{Straight, checked, read_schema},
    target::Target,
};
use crate::{
    context::Context,
    error::{CliError, Result},
    fleet::Fleet,
    output::note,
};

/// What helps where no instance does.
const BY_REDIS: &str = "durable queues can be reached without an instance: --redis";

/// How to reach the jobs.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ReachArgs {
    /// Go straight to Redis instead of to instances: at this URL, else at that of MESH_REDIS_URL or of the profile
    ///
    /// It must be one server. Behind Sentinel, and in a cluster, jobs are reached through instances only.
    #[arg(long, global = true, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    redis: Option<String>,
    /// With --redis: what keys in Redis begin with, if the nodes set it with `RedisQueue::prefix`
    #[arg(long, global = true, value_name = "PREFIX")]
    redis_prefix: Option<String>,
    /// With --redis, if no master runs: a file with the schema, as `mesh schema --json` prints it
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    schema: Option<PathBuf>,
    /// Ask only this instance. With --redis: the instance whose queue is meant, of a `queued broadcast` command
    #[arg(long, global = true, value_name = "ID", add = crate::completers::instances())]
    pub(super) instance: Option<String>,
}

/// An instance, and how full its queue is.
type Asked = (
    LinkState,
    std::result::Result<(Operator, QueueCounts), OperatorError>,
);

impl ReachArgs {
    /// The places where the jobs of a command are.
    pub(super) async fn open(&self, context: &Context, command: &str) -> Result<Places> {
        match self.straight(context).await? {
            Some(straight) => self.in_redis(straight, command),
            None => self.at_instances(context, command).await,
        }
    }

    /// Redis, if it was asked for.
    pub(super) async fn straight(&self, context: &Context) -> Result<Option<Straight>> {
        let Some(url) = self.url(context)? else {
            return Ok(None);
        };
        let keys = context.connection.keys()?;
        let schema = match &self.schema {
            Some(file) => read_schema(file)?,
            None => {
                let fleet = context.fleet().await;
                let hint = "note: without a master, --schema FILE gives the schema";
                let fleet = fleet.inspect_err(|_| note(hint))?;
                fleet.describe().await?.schema
            }
        };
        let prefix = self.redis_prefix.as_deref();
        Straight::connect(&url, prefix, &keys, schema)
            .await
            .map(Some)
    }

    /// The URL of Redis, if it is to be used.
    fn url(&self, context: &Context) -> Result<Option<String>> {
        let Some(given) = &self.redis else {
            let option = match (&self.schema, &self.redis_prefix) {
                (None, None) => return Ok(None),
                (Some(_), _) => "--schema",
                (None, Some(_)) => "--redis-prefix",
            };
            let error = CliError::usage(format!("{option} is of use only with --redis"));
            return Err(error.hint("instances know their schema and their Redis themselves"));
        };
        if !given.is_empty() {
            return checked(given).map(Some);
        }
        let url = context.connection.settings()?.redis;
        url.map(Some).ok_or_else(|| {
            CliError::usage("--redis needs the URL of Redis")
                .hint("give --redis=URL, MESH_REDIS_URL, or `redis` in the profile")
        })
    }

    fn in_redis(&self, straight: Straight, command: &str) -> Result<Places> {
        let target = Target::find(&straight.schema, command)?;
        let only = self.instance_of(&target).map(str::to_owned);
        let queue = straight.queue(&target, only.as_deref())?;
        let place = Place {
            instance: only.clone(),
            way: Way::Redis(Box::new(queue)),
            command: target.command.clone(),
        };
        Ok(Places {
            shared: !target.broadcast,
            dead_shared: true,
            target,
            places: vec![place],
            unreached: Vec::new(),
            only,
            in_redis: true,
        })
    }

    /// The instance that was asked for, if each has its own queue. It may be given as `Billing/b1`, too.
    pub(super) fn instance_of(&self, target: &Target) -> Option<&str> {
        let instance = self.instance.as_deref().filter(|_| target.broadcast)?;
        let after_type = instance
            .strip_prefix(target.node_type.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        Some(after_type.unwrap_or(instance))
    }

    async fn at_instances(&self, context: &Context, command: &str) -> Result<Places> {
        let fleet = fleet(context).await?;
        let target = Target::find(&fleet.describe().await?.schema, command)?;
        let mut nodes = self.instances(&fleet, &target).await?;
        let only = self
            .instance
            .as_ref()
            .map(|_| nodes[0].peer.instance.clone());
        // One is enough if all share the queue.
        let others = nodes.split_off(1);
        let mut asked = ask(&fleet, nodes, &target).await;
        if !asked.iter().any(works_and_shares) {
            asked.extend(ask(&fleet, others, &target).await);
        }
        let mut places = reached(target, asked)?;
        places.only = only;
        Ok(places)
    }

    /// The instances to ask, at least one. Those that shut down come last.
    async fn instances(&self, fleet: &Fleet, target: &Target) -> Result<Vec<LinkState>> {
        let mut nodes = Fleet::of_type(&fleet.nodes().await?, &target.node_type);
        if nodes.is_empty() {
            let what = format!("no instance of `{}` is in the mesh", target.node_type);
            return Err(CliError::unreachable(what).hint(BY_REDIS));
        }
        if let Some(only) = &self.instance {
            return Ok(vec![fleet.find(&nodes, only)?.clone()]);
        }
        nodes.sort_by_key(|node| node.draining);
        Ok(nodes)
    }
}

/// Connects to the master, or says what to do without it.
pub(super) async fn fleet(context: &Context) -> Result<Fleet> {
    // Wrong usage is told first.
    context.connection.keys()?;
    let fleet = context.fleet().await;
    fleet.inspect_err(|_| note(&format!("note: {BY_REDIS}")))
}

/// Asks instances how full their queues of the command are.
async fn ask(fleet: &Fleet, nodes: Vec<LinkState>, target: &Target) -> Vec<Asked> {
    let counts = |operator: Operator| {
        let command = target.command.clone();
        async move {
            let counts = operator.queue(command).counts().await?;
            Ok::<_, OperatorError>((operator, counts))
        }
    };
    fleet.each(nodes, counts).await
}

fn works_and_shares((_, answer): &Asked) -> bool {
    answer
        .as_ref()
        .is_ok_and(|(_, counts)| counts.shared && counts.error.is_none())
}

/// Of a shared queue, one instance whose engine works; else all that answered.
fn reached(target: Target, asked: Vec<Asked>) -> Result<Places> {
    let mut answered = Vec::new();
    let mut unreached = Vec::new();
    let mut failure = None;
    for (node, answer) in asked {
        match answer {
            Ok((operator, counts)) => answered.push((node.peer.instance, operator, counts)),
            Err(error) => {
                print::failed(&node.peer.instance, &error);
                unreached.push(node.peer.instance);
                failure = Some(error);
            }
        }
    }
    if answered.is_empty() {
        return Err(nobody(&target, failure));
    }
    // The first one is asked for what all have in common.
    answered.sort_by_key(|(.., counts)| counts.error.is_some());
    let shared = answered.iter().any(|(.., counts)| counts.shared);
    let dead_shared = answered.iter().all(|(.., counts)| counts.dead_shared);
    if shared {
        answered.truncate(1);
        unreached.clear();
    }
    let place = |(instance, operator, _): (String, Operator, QueueCounts)| Place {
        instance: Some(instance),
        way: Way::Node(operator),
        command: target.command.clone(),
    };
    Ok(Places {
        places: answered.into_iter().map(place).collect(),
        target,
        shared,
        dead_shared,
        unreached,
        only: None,
        in_redis: false,
    })
}

fn nobody(target: &Target, failure: Option<OperatorError>) -> CliError {
    match failure {
        Some(
            error @ (OperatorError::Denied { .. }
            | OperatorError::Failed { .. }
            | OperatorError::Answer { .. }),
        ) => error.into(),
        _ => CliError::unreachable(format!(
            "no instance of `{}` could be reached",
            target.node_type
        ))
        .hint(BY_REDIS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_may_be_given_with_its_type() {
        let mut target = Target {
            node_type: "Billing".to_owned(),
            command: "reload".to_owned(),
            broadcast: true,
        };
        let mut reach = ReachArgs {
            redis: None,
            redis_prefix: None,
            schema: None,
            instance: None,
        };
        assert_eq!(reach.instance_of(&target), None);
        for given in ["b1", "Billing/b1"] {
            reach.instance = Some(given.to_owned());
            assert_eq!(reach.instance_of(&target), Some("b1"));
        }
        target.broadcast = false;
        assert_eq!(reach.instance_of(&target), None);
    }
}
