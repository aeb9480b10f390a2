//! The places where jobs of one command are: the instances that were reached, or Redis. Looks at jobs and changes them.

use std::collections::HashSet;

use mesh_runtime::{
    operator::{EngineQueues, JobView, JobsIn, Operator, OperatorError, OperatorQueue},
    schema::SchemaDescription,
};

use super::{filter::Filter, print, target::Target};
use crate::{
    error::{CliError, Result},
    output::now_ms,
};

/// The most jobs that one list returns.
pub(super) const MOST: usize = 1000;

/// Where the jobs of a command are.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) target: Target,
    /// Whether all instances share the queue. There is then one place.
    pub(super) shared: bool,
    pub(super) places: Vec<Place>,
    /// Instances that may have jobs, and could not be reached.
    pub(super) unreached: Vec<String>,
    /// The instance that was asked for.
    pub(super) only: Option<String>,
    /// Redis, if it is asked itself.
    pub(super) straight: Option<Straight>,
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

/// Redis, and the schema by which its contents are read.
#[derive(Debug)]
pub(super) struct Straight {
    pub(super) queues: EngineQueues,
    pub(super) schema: SchemaDescription,
}

/// A job, and the number of the place where it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) view: JobView,
    place: usize,
}

/// Jobs of all places.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) jobs: Vec<Found>,
    /// A place returned as many as it was asked for: there may be more.
    pub(super) full: bool,
}

/// The dead letters that a filter means.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// The oldest first.
    pub(super) letters: Vec<Found>,
    /// Only the oldest were looked at.
    pub(super) full: bool,
    /// Those whose arguments are asked for and are not in the list.
    pub(super) closed: Vec<JobView>,
}

/// What is done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Requeue,
    Purge,
}

impl Straight {
    pub(super) fn queue(
        &self,
        target: &Target,
        instance: Option<&str>,
    ) -> std::result::Result<OperatorQueue<'static>, OperatorError> {
        self.queues
            .queue(&self.schema, &target.node_type, &target.command, instance)
    }
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
    /// Jobs of all places, at most `max` of each.
    pub(super) async fn list(&self, jobs_in: JobsIn, max: usize) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut seen = HashSet::new();
        let mut failures = Failures::among(&self.places);
        for (number, place) in self.places.iter().enumerate() {
            let answer = place.queue().list(jobs_in, max).await;
            let Some(jobs) = failures.ok(place, answer) else {
                continue;
            };
            listing.full |= jobs.len() >= max;
            for view in jobs {
                let view = self.at(view, place);
                // Instances that share their dead letters all list them.
                if self.is_meant(&view) && seen.insert(view.job.clone()) {
                    listing.jobs.push(Found {
                        view,
                        place: number,
                    });
                }
            }
        }
        failures.unless_answered()?;
        Ok(listing)
    }

    /// Straight in Redis, the queue of a `queued broadcast` command is that of one instance, which must be given.
    pub(super) fn must_name_instance(&self) -> Result<()> {
        if self.straight.is_none() || self.shared || self.only.is_some() {
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

    /// The dead letters that the filter means.
    pub(super) async fn letters(&self, filter: &Filter) -> Result<Letters> {
        let Listing { jobs, full } = self.list(JobsIn::Dead, MOST).await?;
        let now = now_ms();
        let mut letters = Letters {
            full,
            ..Letters::default()
        };
        for found in jobs {
            if filter.matches(&found.view, now) {
                letters.letters.push(found);
            } else if filter.needs_args() && found.view.args.is_none() {
                letters.closed.push(found.view);
            }
        }
        letters.letters.sort_by_key(|found| found.view.died_ms);
        Ok(letters)
    }

    /// One job or dead letter; `None` if there is none with this id.
    pub(super) async fn find(&self, job: &str) -> Result<Option<Found>> {
        let mut failures = Failures::among(&self.places);
        for (number, place) in self.places.iter().enumerate() {
            let answer = place.queue().get(job).await;
            if let Some(Some(view)) = failures.ok(place, answer) {
                let view = self.at(view, place);
                return Ok(Some(Found {
                    view,
                    place: number,
                }));
            }
        }
        failures.unless_none()?;
        Ok(None)
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
        found: &Found,
    ) -> std::result::Result<bool, OperatorError> {
        let job = &found.view.job;
        match change {
            Change::Purge => self.places[found.place].queue().purge(job).await,
            Change::Requeue => self.home(found)?.requeue(job).await,
        }
    }

    /// The same for the dead letter with this id.
    pub(super) async fn change_by_id(&self, change: Change, job: &str) -> Result<bool> {
        if self.target.broadcast && change == Change::Requeue {
            return match self.find(job).await? {
                Some(found) if found.view.jobs_in == JobsIn::Dead => {
                    Ok(self.change(change, &found).await?)
                }
                _ => Ok(false),
            };
        }
        let mut failures = Failures::among(&self.places);
        for place in &self.places {
            let queue = place.queue();
            let answer = match change {
                Change::Requeue => queue.requeue(job).await,
                Change::Purge => queue.purge(job).await,
            };
            if failures.ok(place, answer) == Some(true) {
                return Ok(true);
            }
        }
        failures.unless_none()?;
        Ok(false)
    }

    /// The queue into which a dead letter is put back: that of the instance that was asked for, else of the one that it
    /// came from, else where it was found.
    fn home(&self, found: &Found) -> std::result::Result<OperatorQueue<'_>, OperatorError> {
        let instance = self.only.as_ref().or(found.view.instance.as_ref());
        if self.target.broadcast
            && let Some(straight) = &self.straight
        {
            return straight.queue(&self.target, instance.map(String::as_str));
        }
        let mut places = self.places.iter();
        let home = places.find(|place| instance.is_some() && place.instance.as_ref() == instance);
        Ok(home.unwrap_or(&self.places[found.place]).queue())
    }

    /// With the instance in whose queue it is, if each has its own.
    fn at(&self, mut view: JobView, place: &Place) -> JobView {
        if !self.shared && view.instance.is_none() {
            view.instance.clone_from(&place.instance);
        }
        view
    }

    /// Dead letters of other instances are not meant if one was asked for.
    fn is_meant(&self, view: &JobView) -> bool {
        match (&self.only, &view.instance) {
            (Some(only), Some(instance)) => only == instance,
            _ => true,
        }
    }
}

/// What failed while all places were asked.
struct Failures {
    many: bool,
    answered: bool,
    last: Option<OperatorError>,
}

impl Failures {
    fn among(places: &[Place]) -> Self {
        Self {
            many: places.len() > 1,
            answered: false,
            last: None,
        }
    }

    /// The answer. A place that failed is told at once if there are others.
    fn ok<T>(&mut self, place: &Place, answer: std::result::Result<T, OperatorError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.answered = true;
                Some(answer)
            }
            Err(error) => {
                if self.many {
                    print::failed(place.name(), &error);
                }
                self.last = Some(error);
                None
            }
        }
    }

    /// The last failure, if there was no answer at all.
    fn unless_answered(self) -> Result<()> {
        match self.last {
            Some(error) if !self.answered => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The last failure, since what was looked for may be there.
    fn unless_none(self) -> Result<()> {
        match self.last {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
