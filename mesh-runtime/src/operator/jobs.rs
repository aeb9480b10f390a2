//! The jobs of a queue for operators, with their arguments as JSON.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    bodies::{JobView, Jobs, JobsIn, QueueArgs, QueueCounts},
    serve::Unavailable,
};
use crate::{
    error::CodecError,
    id::JobId,
    millis,
    queue::{DeadLetter, JobState, QueuedJob, UntypedQueue},
    schema::{CommandDescription, SchemaDescription},
    serve::NoAnswer,
};

/// How many jobs a list has, unless it is asked for fewer.
const MAX_JOBS: usize = 1000;

/// How long an engine has to tell how full a queue is.
const COUNTS_DEADLINE: Duration = Duration::from_secs(5);

/// How many bytes of JSON the arguments in one answer may have. Further jobs come without arguments.
const MAX_ARGS: usize = 8 * 1024 * 1024;

/// The longest text of an error, in characters.
const MAX_ERROR: usize = 4096;

impl QueueCounts {
    /// The counts of a queue, once the engine has told them.
    pub(crate) async fn of(queue: UntypedQueue) -> Self {
        let mut counts = Self {
            command: queue.name().command.to_string(),
            of_instance: queue.name().instance.is_some(),
            shared: queue.is_shared(),
            dead_shared: queue.shares_dead_letters(),
            ..Self::default()
        };
        let Ok(stats) = timeout(COUNTS_DEADLINE, queue.stats()).await else {
            counts.error = Some(format!("no answer within {COUNTS_DEADLINE:?}"));
            return counts;
        };
        match stats {
            Ok(stats) => {
                counts.waiting = stats.waiting;
                counts.delayed = stats.delayed;
                counts.running = stats.running;
                counts.dead = stats.dead;
                counts.oldest_ms = stats.oldest_age.map(millis::of);
                counts.paused = stats.paused;
            }
            Err(error) => counts.error = Some(error.to_string()),
        }
        counts
    }
}

/// The job that the arguments name.
pub(super) fn id(args: &QueueArgs) -> Result<JobId, Unavailable> {
    match &args.job {
        Some(job) => Ok(job.as_str().into()),
        None => Err(Unavailable("the arguments name no job".to_owned())),
    }
}

pub(super) async fn list(
    schema: &SchemaDescription,
    queue: &UntypedQueue,
    args: &QueueArgs,
) -> Result<Jobs, NoAnswer> {
    let max = args.max.unwrap_or(MAX_JOBS).min(MAX_JOBS);
    // Engines list from the beginning, and bound what they keep.
    let up_to = args.skip.saturating_add(max);
    let mut viewing = Viewing::new(schema, queue);
    let jobs = match args.jobs_in.unwrap_or(JobsIn::Waiting) {
        JobsIn::Dead => {
            let letters = queue.dead_letters(up_to).await?;
            letters
                .into_iter()
                .skip(args.skip)
                .map(|letter| viewing.letter(letter))
                .collect()
        }
        JobsIn::Waiting => viewing.jobs(queue.jobs(JobState::Waiting, up_to).await?, args.skip),
        JobsIn::Delayed => viewing.jobs(queue.jobs(JobState::Delayed, up_to).await?, args.skip),
        JobsIn::Other => {
            let why = "there are waiting, delayed, running and dead jobs, and no others";
            return Err(Unavailable(why.to_owned()).into());
        }
        JobsIn::Running => viewing.jobs(queue.jobs(JobState::Running, up_to).await?, args.skip),
    };
    Ok(Jobs { jobs })
}

/// One job, wherever it is.
pub(super) async fn get(
    schema: &SchemaDescription,
    queue: &UntypedQueue,
    args: &QueueArgs,
) -> Result<Jobs, NoAnswer> {
    let id = id(args)?;
    let mut viewing = Viewing::new(schema, queue);
    let job = match queue.job(&id).await? {
        Some(job) => Some(viewing.job(job)),
        None => {
            let letter = queue.dead_letter(&id).await?;
            letter.map(|letter| viewing.letter(letter))
        }
    };
    Ok(Jobs {
        jobs: job.into_iter().collect(),
    })
}

/// Makes views of jobs, and counts how long their arguments are.
struct Viewing<'a> {
    schema: &'a SchemaDescription,
    command: Option<&'a CommandDescription>,
    left: usize,
}

impl<'a> Viewing<'a> {
    fn new(schema: &'a SchemaDescription, queue: &UntypedQueue) -> Self {
        let name = queue.name();
        Self {
            schema,
            command: schema.command(&name.node_type, &name.command),
            left: MAX_ARGS,
        }
    }

    fn jobs(&mut self, jobs: Vec<QueuedJob<()>>, skip: usize) -> Vec<JobView> {
        let jobs = jobs.into_iter().skip(skip);
        jobs.map(|job| self.job(job)).collect()
    }

    fn job(&mut self, job: QueuedJob<()>) -> JobView {
        let (args, args_error) = self.args(job.declared_args());
        JobView {
            job: job.job_id.to_string(),
            jobs_in: match job.state {
                JobState::Waiting => JobsIn::Waiting,
                JobState::Running => JobsIn::Running,
                JobState::Delayed => JobsIn::Delayed,
            },
            attempts: job.attempts,
            enqueued_ms: millis::since_1970(job.enqueued_at),
            due_ms: job.due_at.map(millis::since_1970),
            died_ms: None,
            error: None,
            instance: None,
            args,
            args_error,
        }
    }

    fn letter(&mut self, letter: DeadLetter<()>) -> JobView {
        let (args, args_error) = self.args(letter.declared_args());
        JobView {
            job: letter.job_id.to_string(),
            jobs_in: JobsIn::Dead,
            attempts: letter.attempts,
            enqueued_ms: millis::since_1970(letter.enqueued_at),
            due_ms: None,
            died_ms: Some(millis::since_1970(letter.died_at)),
            error: Some(letter.error.chars().take(MAX_ERROR).collect()),
            instance: letter.instance.map(|instance| instance.to_string()),
            args,
            args_error,
        }
    }

    /// The JSON of arguments, or why there is none.
    fn args(
        &mut self,
        encoded: Option<Result<&Bytes, CodecError>>,
    ) -> (Option<String>, Option<String>) {
        let json = match (encoded, self.command) {
            (None, _) => Err("they cannot be opened".to_owned()),
            (Some(Err(error)), _) => Err(error.to_string()),
            (Some(Ok(_)), None) => Err("the command is not known".to_owned()),
            (Some(Ok(encoded)), _) if encoded.len() > self.left => Err(format!(
                "they have {} bytes, too many for this answer",
                encoded.len()
            )),
            (Some(Ok(encoded)), Some(command)) => self
                .schema
                .args_to_json(command, encoded)
                .map_err(|error| error.to_string()),
        };
        match json {
            Ok(json) if json.len() > self.left => {
                let why = format!(
                    "they have {} bytes as JSON, too many for this answer",
                    json.len()
                );
                (None, Some(why))
            }
            Ok(json) => {
                self.left -= json.len();
                (Some(json), None)
            }
            Err(why) => (None, Some(why)),
        }
    }
}
