//! Writes what is known of a type as text. All types that mean the same on the wire have the same text, whatever the
//! names of the types and of their parts.
//!
//! ```text
//! struct Order { id: Uuid, lines: Vec<Line>, bill_to: Address, ship_to: Option<Address> }
//! {id:bytes,lines:seq({sku:text,count:u32}),bill_to:{street:text},ship_to:option(#3)}
//! ```
//!
//! `#3` refers to description number 3 of this text, numbered from 0 in the order in which the descriptions begin. Two
//! parts with equal descriptions count as one, so it does not matter whether they are of one type or of two.

use std::{collections::HashMap, fmt::Write};

use super::graph::{Graph, Shape, ShapeKind};

/// Written for places that were never asked for.
const UNKNOWN: &str = "?";

/// Written for the contents of a newtype that holds only itself.
const ENDLESS: &str = "endless";

/// Writes a type as text.
pub(super) fn of(graph: &Graph) -> String {
    let contents: Vec<Vec<Vec<Shape>>> = graph
        .nodes()
        .map(|node| {
            graph
                .contents(node)
                .map(|shapes| through_newtypes(graph, shapes))
                .collect()
        })
        .collect();
    let mut writer = ShapeWriter {
        graph,
        classes: classes(graph, &contents),
        contents,
        numbers: HashMap::new(),
        text: String::new(),
    };
    writer.place(Graph::ROOT.node, Graph::ROOT.slot);
    writer.text
}

/// Replaces each newtype by what it holds.
fn through_newtypes(graph: &Graph, shapes: &[Shape]) -> Vec<Shape> {
    let mut seen = Vec::new();
    let mut held = Vec::new();
    let mut left: Vec<Shape> = shapes.iter().rev().copied().collect();
    while let Some(shape) = left.pop() {
        match shape {
            Shape::ShapeNode(node) if graph.kind(node) == ShapeKind::Newtype => {
                if seen.contains(&node) {
                    held.push(Shape::Leaf(ENDLESS));
                } else {
                    seen.push(node);
                    left.extend(
                        graph
                            .contents(node)
                            .flat_map(|shapes| shapes.iter().rev().copied()),
                    );
                }
            }
            shape => held.push(shape),
        }
    }
    held.dedup();
    held
}

/// Groups the nodes into classes. Two nodes are in one class if neither their kinds nor their contents differ.
///
/// At first, all nodes are in one class. The classes are then split by the classes of what the nodes hold, until
/// nothing changes.
fn classes(graph: &Graph, contents: &[Vec<Vec<Shape>>]) -> Vec<usize> {
    let mut classes = vec![0; contents.len()];
    let mut count = 1;
    loop {
        let mut known = HashMap::new();
        let mut next = Vec::with_capacity(classes.len());
        for (node, places) in contents.iter().enumerate() {
            let held: Vec<Vec<Shape>> = places
                .iter()
                .map(|shapes| {
                    shapes
                        .iter()
                        .map(|shape| by_class(*shape, &classes))
                        .collect()
                })
                .collect();
            let fresh = known.len();
            next.push(*known.entry((graph.kind(node), held)).or_insert(fresh));
        }
        let more = known.len();
        classes = next;
        if more == count {
            return classes;
        }
        count = more;
    }
}

fn by_class(shape: Shape, classes: &[usize]) -> Shape {
    match shape {
        Shape::ShapeNode(node) => Shape::ShapeNode(classes[node]),
        leaf @ Shape::Leaf(_) => leaf,
    }
}

struct ShapeWriter<'g> {
    graph: &'g Graph,
    contents: Vec<Vec<Vec<Shape>>>,
    classes: Vec<usize>,
    /// The number of the description of each class that is already described.
    numbers: HashMap<usize, usize>,
    text: String,
}

impl ShapeWriter<'_> {
    /// Recursive. Its depth is at most that of the trace, which is bounded.
    fn place(&mut self, node: usize, slot: usize) {
        let shapes = self.contents[node][slot].clone();
        if shapes.is_empty() {
            self.text.push_str(UNKNOWN);
        }
        for (index, shape) in shapes.into_iter().enumerate() {
            if index > 0 {
                self.text.push('|');
            }
            match shape {
                Shape::Leaf(name) => self.text.push_str(name),
                Shape::ShapeNode(node) => self.node(node),
            }
        }
    }

    fn node(&mut self, node: usize) {
        let number = self.numbers.len();
        if let Some(known) = self.numbers.get(&self.classes[node]) {
            // Writing to a string cannot fail.
            let _ = write!(self.text, "#{known}");
            return;
        }
        self.numbers.insert(self.classes[node], number);
        let (open, names, close): (_, &[&str], _) = match self.graph.kind(node) {
            ShapeKind::Newtype => ("newtype(".into(), &[], ')'),
            ShapeKind::Option => ("option(".into(), &[], ')'),
            ShapeKind::Seq => ("seq(".into(), &[], ')'),
            ShapeKind::Map => ("map(".into(), &[], ')'),
            ShapeKind::Tuple(len) => (format!("{len}("), &[], ')'),
            ShapeKind::Struct(names) => ("{".to_owned(), names, '}'),
            ShapeKind::Enum(names) => ("enum{".into(), names, '}'),
        };
        self.text.push_str(&open);
        for slot in 0..self.contents[node].len() {
            if slot > 0 {
                self.text.push(',');
            }
            if let Some(name) = names.get(slot) {
                self.text.push_str(name);
                self.text.push(':');
            }
            self.place(node, slot);
        }
        self.text.push(close);
    }
}
