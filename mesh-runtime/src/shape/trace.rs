//! Traces a type by deserializing one value after another of it. Decides which samples each pass gets.
//!
//! A pass creates one value. It explores one variant of each enum that it meets, and passes are repeated until all
//! variants are explored. A pass may also end in an error, because a type validates what it reads. The next pass then
//! offers another sample to the leaf that was asked for last. If no sample is left, the trace goes outwards from that
//! leaf: the nearest part that can be empty is left empty, or the nearest enum takes another variant. If there is no
//! such part either, the trace ends with what is known so far. Every step depends only on the type.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::graph::{Graph, Key, Place, Shape};

/// The maximum number of passes.
const MAX_PASSES: usize = 4_096;
/// The maximum number of values that are asked for, over all passes.
const MAX_STEPS: usize = 1 << 18;
/// The maximum nesting depth of parts.
const MAX_DEPTH: usize = 128;
/// The maximum number of parts of a type.
const MAX_NODES: usize = 4_096;

/// The error that ends a pass. Serde's error texts are dropped, because nobody reads them.
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
    /// The sample that each leaf gets, if it is not the first.
    samples: HashMap<Place, usize>,
    /// The leaf that was asked for last in this pass, and how many samples there are for it.
    asked: Option<(Place, usize)>,
    /// The leaf that is assumed to cause the current errors, and the sample that it had before.
    blamed: Option<(Place, usize)>,
    /// Leaves for which all samples were tried without success.
    hopeless: HashSet<Place>,
    /// The trace refused, not the type, so another sample would not help.
    refused: bool,
    /// The open parts, from the outermost to the innermost.
    stack: Vec<OpenType>,
    steps: usize,
    /// How many variants have been traced completely.
    explored: usize,
}

struct OpenType {
    node: usize,
    variant: Option<Place>,
    /// The variant was chosen because it leads to an unexplored one.
    leads: bool,
}

/// Repeats passes until there is nothing more to discover. `pass` returns whether it produced a value.
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
        // A pass that ends early leaves state behind, which the start of the next pass resets.
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

    /// Records that a leaf is asked for. Returns the index of the sample to use.
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

    /// Records a leaf that has no samples to choose from.
    pub(super) fn mark(&mut self, at: Place, name: &'static str) -> Result<(), Refused> {
        self.step()?;
        self.graph.holds(at, Shape::Leaf(name));
        Ok(())
    }

    /// Opens a part that holds others, inside `depth` open parts.
    pub(super) fn enter(&mut self, at: Place, depth: usize, key: Key) -> Result<usize, Refused> {
        self.step()?;
        // Deeper parts ended in an error that a type has handled, so they were never closed.
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

    /// Closes the part that was opened inside `depth` open parts.
    pub(super) fn leave(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// Whether the part that was opened last must be left empty, because it is inside itself or cannot be filled.
    pub(super) fn is_empty(&self, depth: usize, node: usize) -> bool {
        self.graph.is_withheld(node) || self.stack[..depth].iter().any(|open| open.node == node)
    }

    /// The variant that the enum opened last must take, so that the pass discovers something new and ends.
    ///
    /// If the enum is already open for a variant that leads to an unexplored one, it does not take a leading variant
    /// again. The shortest path does not go through an enum twice, and parts beside the path would otherwise take the
    /// leading variant again and again.
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

    /// Records that a variant has been traced completely.
    pub(super) fn explored(&mut self, variant: Place) {
        if self.graph.explored(variant) {
            self.explored += 1;
        }
    }

    /// Records the type of a place.
    pub(super) fn names(&mut self, place: Place, type_name: &'static str) {
        self.graph.names(place, type_name);
    }

    /// Records that a struct or enum has more names than fields or variants.
    pub(super) fn notes_aliases(&mut self, node: usize) {
        self.graph.notes_aliases(node);
    }

    /// The place of the n-th element of a node.
    pub(super) fn place(&self, node: usize, n: usize) -> Place {
        self.graph.place(node, n)
    }

    /// Records that the trace refuses, not the type.
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
        // Either another leaf is the cause, or no sample suits this one. In both cases it gets its earlier sample back.
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
