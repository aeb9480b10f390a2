//! The places where jobs of one command are: the instances that were reached, or Redis. Looks at jobs and changes them.

use futures_util::{StreamExt, stream};
use mesh_runtime::operator::{JobView, Operator, OperatorError, OperatorQueue};

use super::{print, target::Target};
use crate::error::{CliError, Result};

/// How many places are asked, and how many dead letters are changed, at once.
pub(super) const AT_ONCE: usize = 16;

/// Where the jobs of a command are.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) target: Target,
    /// Whether all instances share the queue. There is then one place.
    pub(super) shared: bool,
    /// Whether each place has the dead letters of all instances.
    pub(super) dead_shared: bool,
    /// At least one.
    pub(super) places: Vec<Place>,
    /// Instances that may have jobs, and could not be reached.
    pub(super) unreached: Vec<String>,
    /// The instance that was asked for.
    pub(super) only: Option<String>,
    /// Whether Redis is asked itself. There is then one place.
    pub(super) in_redis: bool,
}

/// One place.
#[derive(Debug)]
pub(super) struct Place {
    /// The instance that is asked, or whose queue it is.
    pub(super) instance: Option<String>,
    pub(super) way: Way,
    pub(super) command: String,
}

/// How a place is reached.
#[derive(Debug)]
pub(super) enum Way {
    Node(Operator),
    Redis(Box<OperatorQueue<'static>>),
}

/// A job, and the number of the place where it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) view: JobView,
    pub(super) place: usize,
}

/// A dead letter that is to be changed.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) job: String,
    /// The number of the place where it is changed. `None`: wherever it is.
    pub(super) place: Option<usize>,
}

/// What is done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Requeue,
    Purge,
}

impl Place {
    pub(super) fn queue(&self) -> OperatorQueue<'_> {
        match &self.way {
            Way::Node(operator) => operator.queue(self.command.as_str()),
            Way::Redis(queue) => OperatorQueue::clone(queue),
        }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        self.instance.as_deref().unwrap_or("Redis")
    }
}

impl Places {
    /// Asks the first `number` places, a few at once. Returns the names of those that failed, once they have been told;
    /// if all failed, the last error. `take` gets the answers in the order of the places.
    pub(super) async fn each<T, Fut>(
        &self,
        number: usize,
        ask: impl Fn(usize) -> Fut,
        mut take: impl FnMut(usize, T),
    ) -> Result<Vec<String>>
    where
        Fut: Future<Output = std::result::Result<T, OperatorError>>,
    {
        let asked = (0..number).map(|place| {
            let answer = ask(place);
            async move { (place, answer.await) }
        });
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        let mut failed = Vec::new();
        while let Some((place, answer)) = answers.next().await {
            match answer {
                Ok(answer) => take(place, answer),
                Err(error) if failed.len() + 1 == number => return Err(error.into()),
                Err(error) => {
                    let name = self.places[place].name();
                    print::failed(name, &error);
                    failed.push(name.to_owned());
                }
            }
        }
        Ok(failed)
    }

    /// Straight in Redis, the queue of a `queued broadcast` command is that of one instance, which must be given.
    pub(super) fn must_name_instance(&self) -> Result<()> {
        if !self.in_redis || self.shared || self.only.is_some() {
            return Ok(());
        }
        let what = format!("each instance has its own queue of `{}`", self.target);
        Err(CliError::usage(what).hint("--instance ID says which; dead letters need none"))
    }

    /// That no job with this id was found.
    pub(super) fn missing(&self, job: &str) -> CliError {
        let error = CliError::new(format!("`{}` has no job `{job}`", self.target));
        if self.must_name_instance().is_err() {
            return error.hint("with --redis, only dead letters are found without --instance ID");
        }
        if !self.unreached.is_empty() {
            let unreached = self.unreached.join(", ");
            return error.hint(format!(
                "it may be on one of {unreached}, which were not reached"
            ));
        }
        error.hint("it may have ended: jobs that are done leave their queue")
    }

    /// One job or dead letter; `None` if there is none with this id.
    pub(super) async fn find(&self, job: &str) -> Result<Option<Found>> {
        let mut found = None;
        let get = |place: usize| async move { self.places[place].queue().get(job).await };
        let take = |place, view: Option<JobView>| {
            if found.is_none() {
                found = view.map(|view| self.at(view, place));
            }
        };
        let failed = self.each(self.places.len(), get, take).await?;
        if found.is_none() && !failed.is_empty() {
            let failed = failed.join(", ");
            let what = format!("job `{job}` may be on one of {failed}, which did not answer");
            return Err(CliError::new(what));
        }
        Ok(found)
    }

    /// Throws a job away that waits or is delayed. `false` if it is gone, or runs.
    pub(super) async fn remove(&self, found: &Found) -> Result<bool> {
        let queue = self.places[found.place].queue();
        Ok(queue.remove(&found.view.job).await?)
    }

    /// Puts a dead letter back, or throws it away. `false` if it is gone.
    pub(super) async fn change(
        &self,
        change: Change,
        letter: &Letter,
    ) -> std::result::Result<bool, OperatorError> {
        let places = match letter.place {
            Some(place) => &self.places[place..=place],
            None => &self.places[..],
        };
        let mut answer = Ok(false);
        for place in places {
            let queue = place.queue();
            let changed = match change {
                Change::Requeue => queue.requeue(&letter.job).await,
                Change::Purge => queue.purge(&letter.job).await,
            };
            match changed {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => answer = Err(error),
            }
        }
        answer
    }

    /// The number of the place where a dead letter is put back: that of the instance that was asked for, else of the one
    /// that it came from, else where it was found. The error is its instance, if that was not reached.
    pub(super) fn home(&self, found: &Found) -> std::result::Result<usize, String> {
        // Redis knows the queues of all instances.
        let any = self.in_redis || self.shared || self.only.is_some();
        let Some(instance) = found.view.instance.as_ref().filter(|_| !any) else {
            return Ok(found.place);
        };
        let mut places = self.places.iter();
        let home = places.position(|place| place.instance.as_ref() == Some(instance));
        home.ok_or_else(|| instance.clone())
    }

    /// A job with its place, and with the instance in whose queue it is, if each has its own.
    pub(super) fn at(&self, mut view: JobView, place: usize) -> Found {
        if !self.shared && view.instance.is_none() {
            view.instance.clone_from(&self.places[place].instance);
        }
        Found { view, place }
    }

    /// Dead letters of other instances are not meant if one was asked for.
    pub(super) fn is_meant(&self, view: &JobView) -> bool {
        match (&self.only, &view.instance) {
            (Some(only), Some(instance)) => only == instance,
            _ => true,
        }
    }
}
