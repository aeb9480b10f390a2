//! Makes the table of types out of what was traced. Types with equal structures and names become one entry, whichever
//! types they were met in.

use std::collections::HashMap;

use super::{
    formats,
    graph::{Graph, Place, Shape, ShapeKind},
    types::{Named, PlainType, Structure, TypeDef, TypeRef},
};

/// Collects the types of a schema.
#[derive(Debug, Default)]
pub(crate) struct TableBuilder {
    defs: Vec<TypeDef>,
    roots: Vec<TypeRef>,
}

impl TableBuilder {
    /// Adds a type. Returns its index in what [`TableBuilder::build`] returns second.
    pub(super) fn add(&mut self, graph: &Graph) -> usize {
        let mut adding = Adding {
            graph,
            defs: &mut self.defs,
            known: HashMap::new(),
            formatted: HashMap::new(),
        };
        let root = adding.place(Graph::ROOT);
        self.roots.push(root);
        self.roots.len() - 1
    }

    /// The table, and the added types in it.
    pub(crate) fn build(self) -> (Vec<TypeDef>, Vec<TypeRef>) {
        let Self { defs, mut roots } = self;
        let classes = classes(&defs);
        // Entries are numbered in the order in which their first members were added.
        let mut numbers = HashMap::new();
        let mut table: Vec<TypeDef> = Vec::new();
        for (def, class) in defs.into_iter().zip(&classes) {
            numbers.entry(*class).or_insert_with(|| {
                table.push(def);
                count(table.len() - 1)
            });
        }
        let mut number = |def: u32| numbers[&classes[def as usize]];
        let parts = table.iter_mut().flat_map(|def| def.structure.parts_mut());
        for place in parts.chain(&mut roots) {
            place.renumber(&mut number);
        }
        (table, roots)
    }
}

/// The number of parts of a type is bounded by the trace, and a schema has fewer than 2^32 of them.
fn count(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Groups equal entries. Entries that hold themselves are equal if nothing tells them apart: at first all entries are in
/// one group, and groups are split by what their members hold until nothing changes.
fn classes(defs: &[TypeDef]) -> Vec<u32> {
    let mut classes = vec![0; defs.len()];
    let mut groups = 1;
    loop {
        let mut known = HashMap::new();
        let next: Vec<u32> = defs
            .iter()
            .map(|def| {
                let mut by_class = def.clone();
                for place in by_class.structure.parts_mut() {
                    place.renumber(&mut |held| classes[held as usize]);
                }
                let fresh = count(known.len());
                *known.entry(by_class).or_insert(fresh)
            })
            .collect();
        classes = next;
        if known.len() == groups || known.is_empty() {
            return classes;
        }
        groups = known.len();
    }
}

/// Adds the parts of one type.
struct Adding<'g, 't> {
    graph: &'g Graph,
    defs: &'t mut Vec<TypeDef>,
    /// The entries of the nodes that have been added.
    known: HashMap<usize, u32>,
    /// The entries of types with a format, by what they hold and their names.
    formatted: HashMap<(TypeRef, &'static str), u32>,
}

impl Adding<'_, '_> {
    /// What a place holds. Recursive; its depth is at most that of the trace, which is bounded.
    fn place(&mut self, place: Place) -> TypeRef {
        let shapes = self.graph.shapes(place).to_vec();
        let mut held: Vec<TypeRef> = shapes.iter().map(|shape| self.shape(*shape)).collect();
        match held.len() {
            0 => TypeRef::Unknown,
            1 => {
                let type_name = self.type_name(place, shapes[0]);
                self.formatted(held.remove(0), type_name)
            }
            _ => TypeRef::AnyOf(held),
        }
    }

    /// The compiler's name of what a place holds. serde reads a `SystemTime` by way of a `Duration`; only its own name for
    /// the struct tells them apart.
    fn type_name(&self, place: Place, shape: Shape) -> Option<&'static str> {
        match shape {
            Shape::ShapeNode(node) if self.graph.name(node) == "SystemTime" => {
                formats::as_time(self.graph.type_in(place))
            }
            _ => self.graph.type_in(place),
        }
    }

    fn shape(&mut self, shape: Shape) -> TypeRef {
        match shape {
            Shape::Leaf(name) => TypeRef::Plain(name.parse().unwrap_or(PlainType::Any)),
            Shape::ShapeNode(node) => TypeRef::Def(self.node(node)),
        }
    }

    /// Wraps a type whose values people write in their own way.
    fn formatted(&mut self, holds: TypeRef, type_name: Option<&'static str>) -> TypeRef {
        let Some((name, rust, format)) = type_name.and_then(formats::of) else {
            return holds;
        };
        if let Some(known) = self.formatted.get(&(holds.clone(), rust)) {
            return TypeRef::Def(*known);
        }
        let index = count(self.defs.len());
        self.formatted.insert((holds.clone(), rust), index);
        self.defs.push(TypeDef {
            name: name.to_owned(),
            rust: rust.to_owned(),
            format: Some(format),
            has_aliases: false,
            structure: Structure::Newtype { of: holds },
        });
        TypeRef::Def(index)
    }

    fn node(&mut self, node: usize) -> u32 {
        if let Some(known) = self.known.get(&node) {
            return *known;
        }
        let index = self.defs.len();
        self.known.insert(node, count(index));
        // Holds the place while the parts are added, which may hold this node.
        self.defs.push(TypeDef {
            name: self.graph.name(node).to_owned(),
            rust: self.graph.type_name(node).to_owned(),
            format: None,
            has_aliases: self.graph.has_aliases(node),
            structure: Structure::Later,
        });
        self.defs[index].structure = self.structure(node);
        count(index)
    }

    fn structure(&mut self, node: usize) -> Structure {
        let kind = self.graph.kind(node);
        let mut parts: Vec<TypeRef> = (0..self.graph.slots(node))
            .map(|slot| self.place(Place { node, slot }))
            .collect();
        let part = |slot: usize| parts.get(slot).cloned().unwrap_or(TypeRef::Unknown);
        match kind {
            ShapeKind::Newtype => Structure::Newtype { of: part(0) },
            ShapeKind::Option => Structure::Option { of: part(0) },
            ShapeKind::Seq => Structure::List { of: part(0) },
            ShapeKind::Map => Structure::Map {
                key: part(0),
                value: part(1),
            },
            ShapeKind::Tuple(len) => {
                let one_type = parts.windows(2).all(|pair| pair[0] == pair[1]);
                if one_type && !parts.is_empty() {
                    return Structure::Array { len, of: part(0) };
                }
                // Elements beyond the last place share it.
                let last = parts.last().cloned();
                parts.extend(last.into_iter().cycle().take(len - parts.len()));
                Structure::Tuple { items: parts }
            }
            ShapeKind::Struct(names) => Structure::Struct {
                fields: named(names, parts),
            },
            ShapeKind::Enum(names) => Structure::Enum {
                variants: named(names, parts),
            },
        }
    }
}

fn named(names: &[&str], parts: Vec<TypeRef>) -> Vec<Named> {
    let named = names.iter().zip(parts);
    named
        .map(|(name, holds)| Named {
            name: (*name).to_owned(),
            holds,
        })
        .collect()
}
