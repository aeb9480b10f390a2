//! What is known of a type: its parts as nodes, and which part holds which. The graph grows while the type is traced;
//! at the end, `text` writes it as text. This module must not know how types are traced.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

/// The kind of a part of a type, with everything that determines its encoding or its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ShapeKind {
    /// Encoded and written exactly like what it holds.
    Newtype,
    Option,
    Seq,
    Map,
    Tuple(usize),
    Struct(&'static [&'static str]),
    Enum(&'static [&'static str]),
}

/// The maximum number of elements of a tuple that are distinguished. Longer tuples are in practice always arrays.
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

    /// Whether a value of this kind can hold nothing.
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

/// Identifies a part of a type. The names are the compiler's type names of the visitor and of its value. They contain
/// the type with its parameters. In fingerprints they do not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) visitor: &'static str,
    pub(super) value: &'static str,
    /// The name that serde knows the type by; empty if it has none.
    pub(super) name: &'static str,
    pub(super) kind: ShapeKind,
    /// Set for the contents of a variant, because their visitors have the same type name in all variants of an enum.
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
    name: &'static str,
    type_name: &'static str,
    /// There are more names than fields or variants, so some are aliases.
    has_aliases: bool,
    slots: Vec<ShapeSlot>,
    /// No sample satisfies something in it, so it is left empty from now on.
    withheld: bool,
}

#[derive(Debug, Default)]
struct ShapeSlot {
    /// More than one if a type asks for alternatives here.
    shapes: Vec<Shape>,
    /// The compiler's name of the type here.
    type_name: Option<&'static str>,
    /// For variants: it has been traced completely.
    explored: bool,
    /// For variants: it does not exist, or no sample satisfies it.
    failing: bool,
    /// For variants: it was chosen in the current pass.
    trying: bool,
}

/// What is known of a type. Node 0 is a newtype that holds the type.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<ShapeNode>,
    known: HashMap<Key, usize>,
    /// The cached result of [`Graph::survey`]; `None` if something has changed since.
    survey: Option<Vec<Reach>>,
}

/// Distances from one node.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// The number of steps to the nearest enum with an unexplored variant.
    unexplored: usize,
    /// The minimum depth of a value of this node.
    height: usize,
}

/// A distance greater than every real one: there is no path.
const NEVER: usize = usize::MAX / 2;

/// The maximum number of alternatives that are kept for one place.
const MAX_ALTERNATIVES: usize = 8;

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![ShapeNode::new(ShapeKind::Newtype, "", "")],
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

    /// The name that serde knows a node's type by; empty if it has none.
    pub(super) fn name(&self, node: usize) -> &'static str {
        self.nodes[node].name
    }

    /// The compiler's name of a node's type; empty for the contents of a variant.
    pub(super) fn type_name(&self, node: usize) -> &'static str {
        self.nodes[node].type_name
    }

    /// Whether some names of a struct or enum are aliases, so that it is not known which name belongs to which place.
    pub(super) fn has_aliases(&self, node: usize) -> bool {
        self.nodes[node].has_aliases
    }

    pub(super) fn notes_aliases(&mut self, node: usize) {
        self.nodes[node].has_aliases = true;
    }

    /// The compiler's name of the type in a place.
    pub(super) fn type_in(&self, place: Place) -> Option<&'static str> {
        self.nodes[place.node].slots[place.slot].type_name
    }

    /// Records the type of a place, unless another was recorded before.
    pub(super) fn names(&mut self, place: Place, type_name: &'static str) {
        if let Some(slot) = self.slot(place) {
            slot.type_name.get_or_insert(type_name);
        }
    }

    /// The number of places in a node.
    pub(super) fn slots(&self, node: usize) -> usize {
        self.nodes[node].slots.len()
    }

    /// What a place holds.
    pub(super) fn shapes(&self, place: Place) -> &[Shape] {
        &self.nodes[place.node].slots[place.slot].shapes
    }

    /// What the places of a node hold, in order.
    pub(super) fn contents(&self, node: usize) -> impl Iterator<Item = &[Shape]> {
        self.nodes[node].slots.iter().map(|slot| &slot.shapes[..])
    }

    /// The place of the n-th element of a node. Elements beyond the last place share that place.
    pub(super) fn place(&self, node: usize, n: usize) -> Place {
        let last = self.nodes[node].slots.len().saturating_sub(1);
        Place {
            node,
            slot: n.min(last),
        }
    }

    /// The node with this key. It is created if it does not exist.
    pub(super) fn node(&mut self, key: Key) -> usize {
        let (kind, name) = (key.kind, key.name);
        let type_name = key.variant.map_or(key.value, |_| "");
        *self.known.entry(key).or_insert_with(|| {
            self.survey = None;
            self.nodes.push(ShapeNode::new(kind, name, type_name));
            self.nodes.len() - 1
        })
    }

    pub(super) fn holds(&mut self, place: Place, shape: Shape) {
        // A node without elements has no slots, but a visitor may still ask for an element: see `place`.
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

    /// Marks a variant as traced completely. Returns whether it was not marked before.
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

    /// Marks a variant as not to be chosen again. Returns whether the enum has another variant to choose.
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

    /// An unexplored variant of this enum. It is marked as tried in this pass.
    pub(super) fn unseen(&mut self, node: usize) -> Option<Place> {
        let slot = self.nodes[node]
            .slots
            .iter()
            .position(ShapeSlot::is_unexplored)?;
        self.nodes[node].slots[slot].trying = true;
        self.survey = None;
        Some(Place { node, slot })
    }

    /// The variant that is on the shortest path to an unexplored one.
    pub(super) fn on_the_way(&mut self, node: usize) -> Option<Place> {
        self.least(node, ShapeSlot::nearest)
            .filter(|(steps, _)| *steps < NEVER)
            .map(|(_, place)| place)
    }

    /// The variant with the shallowest values. It ends a value of an enum that may hold itself.
    pub(super) fn soonest_over(&mut self, node: usize) -> Option<Place> {
        self.least(node, ShapeSlot::height).map(|(_, place)| place)
    }

    /// The first variant with the lowest `measure`.
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

    /// Whether another pass could discover more.
    pub(super) fn has_unexplored(&mut self) -> bool {
        let survey = self.survey.take().unwrap_or_else(|| self.survey());
        let found = survey[Self::ROOT.node].unexplored < NEVER;
        self.survey = Some(survey);
        found
    }

    /// Prepares for a pass: variants that were only tried count as unexplored again.
    pub(super) fn begin_pass(&mut self) {
        for slot in self.nodes.iter_mut().flat_map(|node| &mut node.slots) {
            slot.trying = false;
        }
        self.survey = None;
    }

    fn slot(&mut self, place: Place) -> Option<&mut ShapeSlot> {
        self.nodes[place.node].slots.get_mut(place.slot)
    }

    /// Computes the distances from each node.
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
        // Heights only decrease, and not below what the heights of their parts allow, so this loop terminates.
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
    fn new(kind: ShapeKind, name: &'static str, type_name: &'static str) -> Self {
        let slots = (0..kind.slots()).map(|_| ShapeSlot::default()).collect();
        Self {
            kind,
            name,
            type_name,
            has_aliases: false,
            slots,
            withheld: false,
        }
    }

    /// Whether a value of this node can be made to hold `other`.
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
            // Not known yet, so it must not look like a short way to end a value.
            return NEVER;
        }
        self.nodes()
            .map(|node| survey[node].height)
            .max()
            .unwrap_or(0)
    }
}
