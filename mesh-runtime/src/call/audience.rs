//! Which instances a call to all of them goes to.

use std::{collections::HashSet, sync::Arc};

use super::started::StartedCall;
use crate::{
    callee::{Callee, Instance, Picked},
    error::CallError,
    id::InstanceId,
};

/// Which of the linked instances are meant, and how many there must be.
#[derive(Default)]
pub(super) struct Audience {
    /// The one instance that is meant, which must be linked.
    to: Option<InstanceId>,
    only: Option<HashSet<InstanceId>>,
    except: HashSet<InstanceId>,
    at_least: usize,
    /// Whether to wait until so many are linked, and at least one.
    waits: bool,
}

impl Audience {
    pub(super) fn only(&mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) {
        self.only = Some(instances.into_iter().map(Into::into).collect());
    }

    pub(super) fn to(&mut self, instance: InstanceId) {
        self.to = Some(instance);
    }

    pub(super) fn except(&mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) {
        self.except.extend(instances.into_iter().map(Into::into));
    }

    pub(super) fn at_least(&mut self, instances: usize) {
        self.at_least = instances;
    }

    pub(super) fn wait(&mut self) {
        self.waits = true;
    }

    /// The instances that the call goes to.
    ///
    /// # Errors
    /// If too few are linked; only at the deadline, if it is to wait.
    pub(super) async fn instances<'a>(
        &self,
        callee: &'a Arc<Callee>,
        call: &StartedCall<'_>,
    ) -> Result<Vec<Picked<'a>>, CallError> {
        let one = usize::from(self.waits || self.to.is_some());
        let wanted = self.at_least.max(one);
        let mut instances = self.linked(callee);
        if self.waits && instances.len() < wanted {
            call.waits(callee.until(|_| {
                instances = self.linked(callee);
                instances.len() >= wanted
            }))
            .await?;
        }
        match instances.len() {
            linked if linked >= wanted => Ok(instances),
            0 if self.means_all_or_one() => Err(CallError::NoPeer {
                node_type: callee.node_type(),
                instance: self.to.clone(),
            }),
            linked => Err(CallError::TooFewPeers {
                node_type: callee.node_type(),
                linked,
                wanted,
            }),
        }
    }

    fn means_all_or_one(&self) -> bool {
        self.to.is_some() || (self.only.is_none() && self.except.is_empty())
    }

    /// Those that are linked now.
    fn linked<'a>(&self, callee: &'a Arc<Callee>) -> Vec<Picked<'a>> {
        let meant = |instance: &&Arc<Instance>| {
            let id = &instance.link.peer.id.instance;
            instance.link.is_usable()
                && self.to.as_ref().is_none_or(|to| to == id)
                && self.only.as_ref().is_none_or(|only| only.contains(id))
                && !self.except.contains(id)
        };
        let instances = callee.instances();
        let meant = instances.iter().filter(meant);
        meant.map(|instance| callee.picked(instance)).collect()
    }
}
