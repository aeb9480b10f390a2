//! How commands are delivered. Each delivery is described once, here, and every other file reads what it needs from
//! that description. To add a delivery, add its description here and its keywords in `lower`.
//!
//! Knows nothing of any particular command: the texts have the placeholders `{deadline}` and `{call}`, which are filled
//! in for each command.

/// A delivery: how a command finds its instances, and what its handler returns.
pub(crate) struct Delivery {
    /// The words in front of `fn`.
    pub(crate) keyword: &'static str,
    pub(crate) instances: Instances,
    pub(crate) returns: Returns,
    /// Its variant in the runtime's `Delivery`.
    pub(crate) variant: &'static str,
    /// The function of the runtime that a stub's method calls.
    pub(crate) stub: &'static str,
    /// The type of the call that a stub's method returns. It has the answer's type as its parameter if there is one.
    pub(crate) call: &'static str,
    pub(crate) docs: MethodDocs,
}

/// Which instances get a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instances {
    One,
    All,
}

/// What a handler's method returns, and what happens to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    /// The type after `->`, which goes back to the caller.
    Answer,
    /// Nothing, and nobody waits.
    Nothing,
    /// Whether the job is done.
    JobResult,
}

impl Returns {
    pub(crate) const ALL: [Self; 3] = [Self::Answer, Self::Nothing, Self::JobResult];

    /// The function of the runtime that dispatches a request to the handler's method.
    pub(crate) fn dispatch(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Nothing => "tell",
            Self::JobResult => "work",
        }
    }
}

/// What the documentation of generated methods says of a delivery.
pub(crate) struct MethodDocs {
    /// For callers: what happens to a call, and how it can be adjusted.
    pub(crate) call: &'static str,
    /// For callers: the call, as one would write it.
    pub(crate) example: fn(AnswerForm) -> &'static str,
    /// For callers: what the call returns, where the example does not show it.
    pub(crate) outcome: fn(AnswerForm) -> Option<&'static str>,
    /// For callers: when there is an error. The text follows "A `CallError`".
    pub(crate) errors: &'static str,
    /// For handlers: where and how often the method runs.
    pub(crate) runs: &'static str,
}

/// What the docs can tell of an answer from how its type is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerForm {
    /// `()`, or no `->`.
    Unit,
    /// A type called `Result`.
    Result,
    Other,
}

const ERRORS_OF_EACH_INSTANCE: &str = "if the arguments cannot be encoded or this node is shutting down: nothing was \
    sent then. What fails with one instance is told for that instance.";

impl Delivery {
    pub(crate) const ALL: [&'static Self; 5] = [
        Self::BALANCED,
        Self::GATHER,
        Self::BROADCAST,
        Self::QUEUED_BALANCED,
        Self::QUEUED_BROADCAST,
    ];

    pub(crate) const BALANCED: &'static Self = &Self {
        keyword: "balanced",
        instances: Instances::One,
        returns: Returns::Answer,
        variant: "Balanced",
        stub: "balanced",
        call: "BalancedCall",
        docs: MethodDocs {
            call: "**Balanced**: one instance is called, and answers within {deadline}. `.timeout(..)` gives this call \
                another deadline, `.to(..)` chooses the instance.",
            example: |answer| match answer {
                AnswerForm::Unit => "{call};",
                AnswerForm::Result => "let answer = {call}?;",
                AnswerForm::Other => "let answer = {call};",
            },
            outcome: |answer| match answer {
                AnswerForm::Result => {
                    Some("The first `?` is for the mesh, the second for the answer itself.")
                }
                AnswerForm::Unit | AnswerForm::Other => None,
            },
            errors: "if no instance is linked, if none answers in time, or if the call is lost on its way or its \
                handler panics. `maybe_executed()` tells whether the handler may have run.",
            runs: "**Balanced**: one instance runs it for each call.",
        },
    };

    /// `broadcast` with an answer.
    pub(crate) const GATHER: &'static Self = &Self {
        keyword: "broadcast",
        instances: Instances::All,
        returns: Returns::Answer,
        variant: "Gather",
        stub: "gather",
        call: "GatherCall",
        docs: MethodDocs {
            call: "**Broadcast**: every instance is called, and what they answer within {deadline} is gathered. \
                `.timeout(..)` gives this call another deadline; `.only(..)` and `.except(..)` choose the instances; \
                `.first(..)` waits for so many answers.",
            example: |_| {
                "let gathered = {call};\n\
                 for (instance, answer) in gathered.answers() {\n    // ...\n}"
            },
            outcome: |answer| match answer {
                AnswerForm::Result => Some(
                    "Each answer is a `Result` of its own. `gathered.errors()` and `gathered.missing()` tell of the \
                     instances without one; without any instance the gather is empty.",
                ),
                AnswerForm::Unit | AnswerForm::Other => Some(
                    "`gathered.errors()` and `gathered.missing()` tell of the instances without an answer, and \
                     `gathered.require_all()?` accepts none; without any instance the gather is empty.",
                ),
            },
            errors: ERRORS_OF_EACH_INSTANCE,
            runs: "**Broadcast**: every instance runs it for each call.",
        },
    };

    /// `broadcast` without an answer.
    pub(crate) const BROADCAST: &'static Self = &Self {
        keyword: "broadcast",
        instances: Instances::All,
        returns: Returns::Nothing,
        variant: "Broadcast",
        stub: "broadcast",
        call: "BroadcastCall",
        docs: MethodDocs {
            call: "**Broadcast**: every instance is told, and none is waited for. Handing it over may take {deadline}, \
                or what `.timeout(..)` says; `.only(..)` and `.except(..)` choose the instances.",
            example: |_| "let sent = {call};",
            outcome: |_| {
                Some(
                    "`sent.to` are the instances whose links have it, no more; `sent.failed` are those whose links did \
                     not take it.",
                )
            },
            errors: ERRORS_OF_EACH_INSTANCE,
            runs: "**Broadcast**: every instance runs it, and nobody waits.",
        },
    };

    pub(crate) const QUEUED_BALANCED: &'static Self = &Self {
        keyword: "queued balanced",
        instances: Instances::One,
        returns: Returns::JobResult,
        variant: "QueuedBalanced",
        stub: "queued_balanced",
        call: "QueuedCall",
        docs: MethodDocs {
            call: "**Queued, balanced**: one instance takes the job into its queue within {deadline}, and it is \
                processed later, at least once. `.timeout(..)` gives this call another deadline, `.to(..)` chooses the \
                instance; `.delay(..)` and `.at(..)` say when the job may run at the earliest, `.dedupe(..)` leaves it \
                out if there was one like it.",
            example: |_| "let queued = {call};",
            outcome: |_| {
                Some(
                    "`queued.instance` has taken the job, and it is known by `queued.job_id`; `queued.duplicate` tells \
                     that there was one like it already.",
                )
            },
            errors: "if no instance is linked, if its queue is full, or if it does not confirm the job in time. \
                `maybe_executed()` tells whether the job may be queued all the same.",
            runs: "**Queued, balanced**: one instance processes each job, later and at least once.",
        },
    };

    pub(crate) const QUEUED_BROADCAST: &'static Self = &Self {
        keyword: "queued broadcast",
        instances: Instances::All,
        returns: Returns::JobResult,
        variant: "QueuedBroadcast",
        stub: "queued_broadcast",
        call: "QueuedGatherCall",
        docs: MethodDocs {
            call: "**Queued, broadcast**: every instance takes the job into its own queue within {deadline}, and \
                processes it later, at least once. `.timeout(..)` gives this call another deadline; `.only(..)` and \
                `.except(..)` choose the instances; `.delay(..)` and `.at(..)` say when the job may run at the \
                earliest, `.dedupe(..)` leaves it out if there was one like it.",
            example: |_| {
                "let gathered = {call};\n\
                 for queued in gathered.values() {\n    // queued.instance, queued.job_id\n}"
            },
            outcome: |_| {
                Some(
                    "`gathered.errors()` and `gathered.missing()` tell of the instances that have not taken it; without \
                     any instance the gather is empty.",
                )
            },
            errors: ERRORS_OF_EACH_INSTANCE,
            runs: "**Queued, broadcast**: every instance processes each job, later and at least once.",
        },
    };

    pub(crate) fn is_queued(&self) -> bool {
        self.returns == Returns::JobResult
    }

    /// Whether a call goes to one instance, which answers.
    pub(crate) fn is_balanced_call(&self) -> bool {
        self.instances == Instances::One && self.returns == Returns::Answer
    }
}
