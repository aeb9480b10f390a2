//! One type after another value of it: what each pass is offered, and what to offer in the next.
//!
//! A pass makes one value. It sees one variant of each enum that it meets, so there are as many passes as it takes to
//! see all of them. A pass may also end in an error, because a type validates what it reads: then the leaf that was
//! asked for last is offered something else; when nothing is left to offer, the nearest thing around it that can be
//! empty is left empty, or the nearest enum takes another variant; and when there is none, what is known stays all
//! that is known. Every step is a function of the type alone.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::graph::{Graph, Key, Place, Shape};

/// More passes than this are not made.
const MAX_PASSES: usize = 4_096;
/// More values than this are not offered, over all passes.
const MAX_STEPS: usize = 1 << 18;
/// Parts of a type nest no deeper.
const MAX_DEPTH: usize = 128;
/// A type has no more parts.
const MAX_NODES: usize = 4_096;

/// Why a pass went no further. What serde has to say of it is of no use to anyone.
#[derive(Debug)]
pub(super) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the sample does not suit the type")
    }
}

impl std::error::Error for Refused {}

impl serde::de::Error for Refused {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The trace of one type.
pub(super) struct Trace {
    graph: Graph,
    /// Which sample a leaf is offered, where that is not the first.
    samples: HashMap<Place, usize>,
    /// The leaf that was asked for last in this pass, and how many samples there are for it.
    asked: Option<(Place, usize)>,
    /// The leaf that the present errors are put down to, and the sample that it had before.
    blamed: Option<(Place, usize)>,
    /// Leaves that no sample helps.
    hopeless: HashSet<Place>,
    /// It was not the type that refused, but this trace: another sample would not help.
    refused: bool,
    /// What is open, from the outside in.
    stack: Vec<OpenType>,
    steps: usize,
    /// How many variants were seen as a whole.
    explored: usize,
}

struct OpenType {
    node: usize,
    variant: Option<Place>,
    /// The variant was chosen for what it leads to.
    leads: bool,
}

/// Makes passes until there is nothing more to see. `pass` tells whether it came to a value.
pub(super) fn explore(pass: &mut dyn FnMut(&mut Trace) -> bool) -> Graph {
    let mut trace = Trace {
        graph: Graph::new(),
        samples: HashMap::new(),
        asked: None,
        blamed: None,
        hopeless: HashSet::new(),
        refused: false,
        stack: Vec::new(),
        steps: 0,
        explored: 0,
    };
    for _ in 0..MAX_PASSES {
        trace.begin_pass();
        let explored = trace.explored;
        // What a pass leaves behind when it ends early is set right at the start of the next.
        let more = match catch_unwind(AssertUnwindSafe(|| pass(&mut trace))) {
            Ok(true) => trace.explored > explored && trace.graph.has_unexplored(),
            Ok(false) => trace.tries_another_sample() || trace.goes_around(),
            Err(_) => trace.goes_around(),
        };
        if !more || trace.steps >= MAX_STEPS {
            break;
        }
    }
    trace.graph
}

impl Trace {
    fn begin_pass(&mut self) {
        self.graph.begin_pass();
        self.asked = None;
        self.refused = false;
        self.stack.clear();
    }

    /// A leaf is asked for; tells which of its samples it is to be.
    pub(super) fn leaf(
        &mut self,
        at: Place,
        name: &'static str,
        samples: usize,
    ) -> Result<usize, Refused> {
        self.step()?;
        self.graph.holds(at, Shape::Leaf(name));
        self.asked = Some((at, samples));
        self.refused = false;
        Ok(self.samples.get(&at).map_or(0, |sample| sample % samples))
    }

    /// Something without a value: there is nothing to choose.
    pub(super) fn mark(&mut self, at: Place, name: &'static str) -> Result<(), Refused> {
        self.step()?;
        self.graph.holds(at, Shape::Leaf(name));
        Ok(())
    }

    /// Something that holds others is asked for, inside `depth` others.
    pub(super) fn enter(&mut self, at: Place, depth: usize, key: Key) -> Result<usize, Refused> {
        self.step()?;
        // What is beyond that ended in an error that a type has taken for an answer.
        self.stack.truncate(depth);
        let node = self.graph.node(key);
        self.graph.holds(at, Shape::ShapeNode(node));
        self.stack.push(OpenType {
            node,
            variant: None,
            leads: false,
        });
        if depth >= MAX_DEPTH || node >= MAX_NODES {
            return Err(self.refuse());
        }
        Ok(node)
    }

    /// What was opened inside `depth` others has come to its end.
    pub(super) fn leave(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// Whether what was opened last is to be left empty: because it is within itself, or cannot be filled.
    pub(super) fn is_empty(&self, depth: usize, node: usize) -> bool {
        self.graph.is_withheld(node) || self.stack[..depth].iter().any(|open| open.node == node)
    }

    /// The variant that the enum opened last is to take, so that the pass shows something new and comes to an end.
    ///
    /// An enum on the way to something new is entered for that once: the way does not lead through it twice, and what is
    /// beside the way would take it again and again.
    pub(super) fn choose(&mut self, node: usize) -> Result<Place, Refused> {
        let led = self
            .stack
            .iter()
            .any(|open| open.node == node && open.leads);
        let mut leads = false;
        let mut variant = self.graph.unseen(node);
        if variant.is_none() && !led {
            variant = self.graph.on_the_way(node);
            leads = variant.is_some();
        }
        let Some(variant) = variant.or_else(|| self.graph.soonest_over(node)) else {
            return Err(self.refuse());
        };
        if let Some(frame) = self.stack.last_mut() {
            frame.variant = Some(variant);
            frame.leads = leads;
        }
        Ok(variant)
    }

    /// A variant has come to its end.
    pub(super) fn explored(&mut self, variant: Place) {
        if self.graph.explored(variant) {
            self.explored += 1;
        }
    }

    /// The place of the n-th element of what was opened.
    pub(super) fn place(&self, node: usize, n: usize) -> Place {
        self.graph.place(node, n)
    }

    /// Says that the type is not to blame.
    pub(super) fn refuse(&mut self) -> Refused {
        self.refused = true;
        Refused
    }

    fn step(&mut self) -> Result<(), Refused> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(self.refuse());
        }
        Ok(())
    }

    fn tries_another_sample(&mut self) -> bool {
        let Some((place, samples)) = self.asked else {
            return false;
        };
        if self.refused || self.hopeless.contains(&place) {
            return false;
        }
        let sample = self.samples.get(&place).copied().unwrap_or(0);
        if self.blamed.is_none_or(|(blamed, _)| blamed != place) {
            self.blamed = Some((place, sample));
        }
        if sample + 1 < samples {
            self.samples.insert(place, sample + 1);
            return true;
        }
        // It was not this leaf, or nothing suits it: either way it had better have what it had.
        if let Some((_, before)) = self.blamed.take() {
            self.samples.insert(place, before);
        }
        self.hopeless.insert(place);
        false
    }

    fn goes_around(&mut self) -> bool {
        for frame in self.stack.iter().rev() {
            if self.graph.kind(frame.node).may_be_empty() && !self.graph.is_withheld(frame.node) {
                self.graph.withhold(frame.node);
                return true;
            }
            if let Some(variant) = frame.variant
                && self.graph.fails(variant)
            {
                return true;
            }
        }
        false
    }
}
