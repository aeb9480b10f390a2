//! A call of a command of the schema by an operator, with arguments and answer as JSON.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{MAX_TIMEOUT, Operator, OperatorError};
use crate::{
    call::Queued,
    carried::{Carried, NotCarried},
    error::CodecError,
    schema::{CommandDescription, Delivery, SchemaDescription},
    wire::{codec, frame::CallPayload, job_options::JobOptions},
};

/// The pause between two looks at whether the last chunk was sent.
const CHUNKS_PAUSE: Duration = Duration::from_millis(2);

/// A call of a command by an operator. Nothing happens until it is awaited. From [`Operator::call`].
#[must_use = "a call does nothing until it is awaited"]
#[derive(Debug, Clone)]
pub struct OperatorCall<'a> {
    operator: &'a Operator,
    schema: &'a SchemaDescription,
    command: &'a CommandDescription,
    args: &'a str,
    timeout: Duration,
    carried: Carried,
}

impl<'a> OperatorCall<'a> {
    pub(super) fn new(
        operator: &'a Operator,
        schema: &'a SchemaDescription,
        command: &'a CommandDescription,
        args: &'a str,
    ) -> Self {
        Self {
            operator,
            schema,
            command,
            args,
            timeout: operator.timeout,
            carried: Carried::default(),
        }
    }

    /// How long the call may take, 24 h at most. Default: the timeout of the [`OperatorBuilder`](super::OperatorBuilder).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sends a text along with the call, in place of an earlier one with the same key. See
    /// [`Metadata`](crate::Metadata) for its limits.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.carried.insert(key.into(), value.into());
        self
    }

    /// Makes the call a part of the trace that this `traceparent` names. A text that is none is ignored.
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        if let Ok(trace) = traceparent.parse() {
            self.carried.set_trace(trace);
        }
        self
    }

    async fn call(self) -> Result<String, OperatorError> {
        self.check_declaration()?;
        let json = |source| OperatorError::Json {
            command: self.command.name.clone(),
            source,
        };
        let args = self.schema.args_from_json(self.command, self.args);
        let args = Bytes::from(args.map_err(json)?);
        match self.command.delivery {
            Some(Delivery::Balanced | Delivery::Gather) => {
                let answer = self.answer(args).await?;
                let answer = self.schema.answer_to_json(self.command, &answer);
                answer.map_err(json)
            }
            Some(Delivery::Broadcast) => self.tell(args).await,
            Some(Delivery::QueuedBalanced | Delivery::QueuedBroadcast) => self.queue(&args).await,
            None => Err(OperatorError::Failed {
                command: self.command.name.clone(),
                why: "it is delivered in a way that this version does not know".to_owned(),
            }),
        }
    }

    /// # Errors
    /// If the node does not have the command as it is described.
    fn check_declaration(&self) -> Result<(), OperatorError> {
        let mut declared = self.operator.declared.iter();
        let known = declared.find(|(id, _)| *id == self.command.id);
        if known.is_some_and(|(_, fingerprint)| *fingerprint == self.command.wire_fingerprint) {
            return Ok(());
        }
        Err(OperatorError::DeclaredOtherwise {
            command: self.command.name.clone(),
            node: self.operator.peer().clone(),
        })
    }

    async fn tell(&self, args: Bytes) -> Result<String, OperatorError> {
        let deadline = Instant::now() + self.timeout;
        let link = &self.operator.link.link;
        let told = link.tell(self.command.id, self.payload(args)?, deadline);
        told.await.map_err(|failure| {
            self.operator
                .failed(&self.command.name, failure, self.timeout)
        })?;
        self.arrived(deadline).await?;
        Ok("null".to_owned())
    }

    /// Waits until what was told has arrived, which nobody answers. Otherwise a link that is closed directly afterwards
    /// would take it along.
    async fn arrived(&self, deadline: Instant) -> Result<(), OperatorError> {
        let late = || OperatorError::DeadlineExceeded {
            command: self.command.name.clone(),
            after: self.timeout,
        };
        while self.operator.link.link.has_chunks() {
            if Instant::now() >= deadline {
                return Err(late());
            }
            tokio::time::sleep(CHUNKS_PAUSE).await;
        }
        // Frames that fit whole arrive in order. So whoever answers this one has everything.
        let answered = self.operator.health();
        let answered = tokio::time::timeout_at(deadline, answered).await;
        answered.map_err(|_| late())??;
        Ok(())
    }

    async fn queue(&self, args: &Bytes) -> Result<String, OperatorError> {
        let args = JobOptions::default().in_front_of(args);
        let answer = self
            .answer(args.map_err(|error| self.unread(&error))?)
            .await?;
        let queued: Queued = codec::decode(&answer).map_err(|error| self.unread(&error))?;
        let job = serde_json::json!({ "job": queued.job_id, "instance": queued.instance });
        Ok(job.to_string())
    }

    async fn answer(&self, args: Bytes) -> Result<Bytes, OperatorError> {
        let (name, id) = (&self.command.name, self.command.id);
        let payload = self.payload(args)?;
        self.operator.bytes(name, id, payload, self.timeout).await
    }

    /// The arguments, behind an extension block if there is something in it.
    fn payload(&self, args: Bytes) -> Result<CallPayload, OperatorError> {
        let payload = self.carried.in_front_of(&args);
        payload.map_err(|NotCarried { what, source }| OperatorError::Failed {
            command: self.command.name.clone(),
            why: format!("the {what}: {source}"),
        })
    }

    fn unread(&self, error: &CodecError) -> OperatorError {
        OperatorError::Answer {
            command: self.command.name.clone(),
            why: error.to_string(),
        }
    }
}

impl<'a> IntoFuture for OperatorCall<'a> {
    type Output = Result<String, OperatorError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.call())
    }
}
