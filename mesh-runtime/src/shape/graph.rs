//! What is known of a type: its parts as nodes, and which part holds which. Grows while the type is traced; in the
//! end `text` writes it down. Must not know how it is traced.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

/// What kind of thing a part of a type is, with all that the encoding or the meaning of it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ShapeKind {
    /// Passes for what it holds.
    Newtype,
    Option,
    Seq,
    Map,
    Tuple(usize),
    Struct(&'static [&'static str]),
    Enum(&'static [&'static str]),
}

/// Of a tuple, no more elements than this are told apart: nobody writes longer ones but as arrays.
const TUPLE_SLOTS: usize = 64;

impl ShapeKind {
    fn slots(self) -> usize {
        match self {
            Self::Newtype | Self::Option | Self::Seq => 1,
            Self::Map => 2,
            Self::Tuple(len) => len.min(TUPLE_SLOTS),
            Self::Struct(names) | Self::Enum(names) => names.len(),
        }
    }

    /// Whether there is a value of it that holds nothing.
    pub(super) fn may_be_empty(self) -> bool {
        matches!(self, Self::Option | Self::Seq | Self::Map)
    }
}

/// One place in a node that holds something: a field, an element, a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) slot: usize,
}

/// Tells a part of a type from every other. The names are those that the compiler gives to the visitor and to its
/// value: they hold the type with its parameters, and never leave this process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) visitor: &'static str,
    pub(super) value: &'static str,
    pub(super) kind: ShapeKind,
    /// The contents of a variant have visitors of one name in all variants of an enum.
    pub(super) variant: Option<Place>,
}

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Leaf(&'static str),
    ShapeNode(usize),
}

#[derive(Debug)]
struct ShapeNode {
    kind: ShapeKind,
    slots: Vec<ShapeSlot>,
    /// Something in it can not be satisfied: it is left empty from now on.
    withheld: bool,
}

#[derive(Debug, Default)]
struct ShapeSlot {
    /// More than one where a type asks for this or that.
    shapes: Vec<Shape>,
    /// Of variants: all there is to be seen was seen.
    explored: bool,
    /// Of variants: there is no such, or nothing satisfies it.
    failing: bool,
    /// Of variants: chosen in the present pass.
    trying: bool,
}

/// A type as far as it is known. Node 0 is a newtype that holds it.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<ShapeNode>,
    known: HashMap<Key, usize>,
    /// See [`Graph::survey`]; none when something has changed since.
    survey: Option<Vec<Reach>>,
}

/// How far things are from a node.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// Steps to an enum with an unexplored variant.
    unexplored: usize,
    /// How deep a value of it is at the least.
    height: usize,
}

/// Farther than anything.
const NEVER: usize = usize::MAX / 2;

/// More alternatives than this are not kept for one place.
const MAX_ALTERNATIVES: usize = 8;

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![ShapeNode::new(ShapeKind::Newtype)],
            known: HashMap::new(),
            survey: None,
        }
    }

    pub(super) const ROOT: Place = Place { node: 0, slot: 0 };

    pub(super) fn nodes(&self) -> Range<usize> {
        0..self.nodes.len()
    }

    pub(super) fn kind(&self, node: usize) -> ShapeKind {
        self.nodes[node].kind
    }

    /// What the places of a node hold, in their order.
    pub(super) fn contents(&self, node: usize) -> impl Iterator<Item = &[Shape]> {
        self.nodes[node].slots.iter().map(|slot| &slot.shapes[..])
    }

    /// The place of the n-th element of a node. Far elements of a long tuple share one.
    pub(super) fn place(&self, node: usize, n: usize) -> Place {
        let last = self.nodes[node].slots.len().saturating_sub(1);
        Place {
            node,
            slot: n.min(last),
        }
    }

    /// The node of that key, new or known.
    pub(super) fn node(&mut self, key: Key) -> usize {
        let kind = key.kind;
        *self.known.entry(key).or_insert_with(|| {
            self.survey = None;
            self.nodes.push(ShapeNode::new(kind));
            self.nodes.len() - 1
        })
    }

    pub(super) fn holds(&mut self, place: Place, shape: Shape) {
        // A visitor that asks for an element of what has none gets no place: see `place`.
        let Some(slot) = self.slot(place) else { return };
        if !slot.shapes.contains(&shape) && slot.shapes.len() < MAX_ALTERNATIVES {
            slot.shapes.push(shape);
            self.survey = None;
        }
    }

    pub(super) fn is_withheld(&self, node: usize) -> bool {
        self.nodes[node].withheld
    }

    pub(super) fn withhold(&mut self, node: usize) {
        self.nodes[node].withheld = true;
        self.survey = None;
    }

    /// A variant was seen as a whole. Whether that is new.
    pub(super) fn explored(&mut self, variant: Place) -> bool {
        let Some(slot) = self.slot(variant) else {
            return false;
        };
        let new = !std::mem::replace(&mut slot.explored, true);
        if new {
            self.survey = None;
        }
        new
    }

    /// A variant is not to be chosen again, if there is another.
    pub(super) fn fails(&mut self, variant: Place) -> bool {
        if let Some(slot) = self.slot(variant) {
            slot.failing = true;
            self.survey = None;
        }
        self.nodes[variant.node]
            .slots
            .iter()
            .any(|slot| !slot.failing)
    }

    /// A variant that was not seen yet; it counts as tried from now on.
    pub(super) fn unseen(&mut self, node: usize) -> Option<Place> {
        let slot = self.nodes[node]
            .slots
            .iter()
            .position(ShapeSlot::is_unexplored)?;
        self.nodes[node].slots[slot].trying = true;
        self.survey = None;
        Some(Place { node, slot })
    }

    /// The variant on the shortest way to one that was not seen yet.
    pub(super) fn on_the_way(&mut self, node: usize) -> Option<Place> {
        self.least(node, ShapeSlot::nearest)
            .filter(|(steps, _)| *steps < NEVER)
            .map(|(_, place)| place)
    }

    /// The variant that soonest comes to an end, as an enum may hold itself.
    pub(super) fn soonest_over(&mut self, node: usize) -> Option<Place> {
        self.least(node, ShapeSlot::height).map(|(_, place)| place)
    }

    /// The first variant of which `measure` is least.
    fn least(
        &mut self,
        node: usize,
        measure: impl Fn(&ShapeSlot, &[Reach]) -> usize,
    ) -> Option<(usize, Place)> {
        let survey = self.survey.take().unwrap_or_else(|| self.survey());
        let slots = self.nodes[node].slots.iter().enumerate();
        let least = slots
            .filter(|(_, variant)| !variant.failing)
            .map(|(slot, variant)| (measure(variant, &survey), slot))
            .min();
        self.survey = Some(survey);
        least.map(|(measured, slot)| (measured, Place { node, slot }))
    }

    /// Whether another pass would show more.
    pub(super) fn has_unexplored(&mut self) -> bool {
        let survey = self.survey.take().unwrap_or_else(|| self.survey());
        let found = survey[Self::ROOT.node].unexplored < NEVER;
        self.survey = Some(survey);
        found
    }

    /// Before a pass: what was only tried counts as not seen.
    pub(super) fn begin_pass(&mut self) {
        for slot in self.nodes.iter_mut().flat_map(|node| &mut node.slots) {
            slot.trying = false;
        }
        self.survey = None;
    }

    fn slot(&mut self, place: Place) -> Option<&mut ShapeSlot> {
        self.nodes[place.node].slots.get_mut(place.slot)
    }

    /// How far things are from each node.
    fn survey(&self) -> Vec<Reach> {
        let mut holders: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut survey = vec![
            Reach {
                unexplored: NEVER,
                height: NEVER,
            };
            self.nodes.len()
        ];
        let mut found = VecDeque::new();
        let mut unsettled = VecDeque::new();
        for (index, node) in self.nodes.iter().enumerate() {
            unsettled.push_back(index);
            if matches!(node.kind, ShapeKind::Enum(_))
                && node.slots.iter().any(ShapeSlot::is_unexplored)
            {
                survey[index].unexplored = 0;
                found.push_back(index);
            }
            for held in node.slots.iter().flat_map(ShapeSlot::nodes) {
                holders[held].push(index);
            }
        }
        while let Some(near) = found.pop_front() {
            for &holder in &holders[near] {
                let leads = self.nodes[holder].leads_to(near);
                if leads && survey[holder].unexplored == NEVER {
                    survey[holder].unexplored = survey[near].unexplored + 1;
                    found.push_back(holder);
                }
            }
        }
        // Heights only fall, and never below what their parts allow: this comes to rest.
        while let Some(index) = unsettled.pop_front() {
            let height = self.nodes[index].height(&survey);
            if height < survey[index].height {
                survey[index].height = height;
                unsettled.extend(&holders[index]);
            }
        }
        survey
    }
}

impl ShapeNode {
    fn new(kind: ShapeKind) -> Self {
        let slots = (0..kind.slots()).map(|_| ShapeSlot::default()).collect();
        Self {
            kind,
            slots,
            withheld: false,
        }
    }

    /// Whether a value of it can be made to hold `other`.
    fn leads_to(&self, other: usize) -> bool {
        let usable = self.slots.iter().filter(|slot| !slot.failing);
        !self.withheld && usable.flat_map(ShapeSlot::nodes).any(|held| held == other)
    }

    fn height(&self, survey: &[Reach]) -> usize {
        let heights = self
            .slots
            .iter()
            .filter(|slot| !slot.failing)
            .map(|slot| slot.height(survey));
        match self.kind {
            kind if kind.may_be_empty() => 1,
            ShapeKind::Enum(_) => heights.min().unwrap_or(NEVER).saturating_add(1).min(NEVER),
            _ => heights.max().unwrap_or(0).saturating_add(1).min(NEVER),
        }
    }
}

impl ShapeSlot {
    fn is_unexplored(&self) -> bool {
        !self.explored && !self.failing && !self.trying
    }

    fn nodes(&self) -> impl Iterator<Item = usize> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::ShapeNode(node) => Some(*node),
            Shape::Leaf(_) => None,
        })
    }

    fn nearest(&self, survey: &[Reach]) -> usize {
        self.nodes()
            .map(|node| survey[node].unexplored)
            .min()
            .unwrap_or(NEVER)
    }

    fn height(&self, survey: &[Reach]) -> usize {
        if self.shapes.is_empty() {
            // Not known yet: whoever looks for the end had better not go there.
            return NEVER;
        }
        self.nodes()
            .map(|node| survey[node].height)
            .max()
            .unwrap_or(0)
    }
}
