//! The rules that concern several items together: one function for each. What breaks a rule is reported, and the model
//! is then fixed to what its author most probably meant, so that `expand` gets only a consistent model.

use proc_macro2::Span;
use syn::{Expr, Ident, ext::IdentExt, visit::Visit};

use crate::{
    errors::{self, Errors},
    model::{Callers, Grammar, NodeType, OptionName, Peers, Schema},
    names,
};

/// Serde implements its traits for tuples up to this length, and arguments travel as one tuple.
const MAX_ARGS: usize = 16;

/// Checks what can be checked of the nodes that are declared here without knowing the others, and fixes it.
pub(crate) fn declarations(schema: &mut Schema, start: Span, errors: &mut Errors) {
    something_is_declared(schema, start, errors);
    node_names_are_free(schema, errors);
    node_names_differ(schema, |node| node.elsewhere.is_none(), errors);
    node_names_differ_from_generated(schema, errors);
    command_names_differ(schema, errors);
    argument_names_differ(schema, errors);
    arguments_are_few(schema, errors);
    options_fit_delivery(schema, errors);
    keys_come_from_arguments(schema, errors);
}

/// Checks what can be checked only when all node types of the mesh are known, and fixes it.
pub(crate) fn composition(schema: &mut Schema, errors: &mut Errors) {
    node_names_differ(schema, |_| true, errors);
    command_ids_differ(schema, errors);
    listed_nodes_exist(schema, errors);
    connections_are_allowed(schema, errors);
    callers_back_are_dialled(schema, errors);
    allowed_callers_can_call(schema, errors);
}

fn something_is_declared(schema: &Schema, start: Span, errors: &mut Errors) {
    match schema.grammar {
        Grammar::Schema if !schema.mesh_is_tried => errors.push(errors::no_mesh(start)),
        Grammar::Nodes if schema.nodes.is_empty() && errors.is_empty() => {
            errors.push(errors::no_nodes(start));
        }
        _ => {}
    }
}

/// `any` is a word of the grammar. The others are what handlers see as the node types of operators and observers.
const RESERVED_NAMES: [&str; 3] = ["any", "operator", "observer"];

fn node_names_are_free(schema: &mut Schema, errors: &mut Errors) {
    schema.nodes.retain(|node| {
        let free = !RESERVED_NAMES.iter().any(|reserved| node.name == reserved);
        if !free {
            errors.push(errors::reserved_name(&node.name));
        }
        free
    });
}

fn node_names_differ(schema: &mut Schema, known: impl Fn(&NodeType) -> bool, errors: &mut Errors) {
    let mut seen: Vec<(Ident, String, Span)> = Vec::new();
    schema.nodes.retain(|node| {
        if !known(node) {
            return true;
        }
        let path = names::text(node.path());
        let first = seen
            .iter()
            .find(|(name, ..)| name.unraw() == node.name.unraw());
        if let Some((_, first_path, first)) = first {
            errors.push(errors::duplicate_node(node.mention(), &node.name, *first));
            // Two types of one name in different modules both exist. Both are kept, so that their users get no
            // further errors.
            return *first_path != path;
        }
        seen.push((node.name.clone(), path, node.mention()));
        true
    });
}

fn node_names_differ_from_generated(schema: &mut Schema, errors: &mut Errors) {
    let generated: Vec<(Ident, &str, Ident)> = schema
        .declared()
        .flat_map(|node| {
            let handler = (!node.commands.is_empty()).then(|| {
                (
                    names::handler(&node.name),
                    "handler trait",
                    node.name.clone(),
                )
            });
            let client = (names::client(&node.name), "stub", node.name.clone());
            let queued = node.commands.iter().any(|c| c.delivery.is_queued());
            let queues = (names::queues(&node.name), "queues", node.name.clone());
            let queues = queued.then_some(queues);
            handler.into_iter().chain([client]).chain(queues)
        })
        .collect();
    let taken = |name: &Ident| {
        generated
            .iter()
            .find(|(generated, ..)| *generated == name.unraw())
    };
    let mesh = schema.name.clone();
    if let Some(mesh) = &mesh
        && let Some((_, kind, node)) = taken(mesh)
    {
        errors.push(errors::generated_name(mesh, "mesh", kind, node));
        schema.name = None;
    }
    schema.nodes.retain(|node| {
        if node.elsewhere.is_some() {
            // What is generated for it is in another module.
            return true;
        }
        if let Some(mesh) = mesh
            .as_ref()
            .filter(|mesh| mesh.unraw() == node.name.unraw())
        {
            errors.push(errors::node_named_like_mesh(&node.name, mesh));
            return false;
        }
        if let Some((_, kind, other)) = taken(&node.name) {
            errors.push(errors::generated_name(&node.name, "node", kind, other));
            return false;
        }
        true
    });
}

fn command_names_differ(schema: &mut Schema, errors: &mut Errors) {
    for node in &mut schema.nodes {
        let mut seen: Vec<(Ident, String)> = Vec::new();
        node.commands.retain(|command| {
            let cfg: String = command
                .cfgs
                .iter()
                .map(|cfg| cfg.tokens.to_string())
                .collect();
            let same_name = || {
                seen.iter()
                    .filter(|(name, _)| name.unraw() == command.name.unraw())
            };
            // Two commands of one name may exclude each other by `#[cfg]`. If they do not, rustc reports it.
            if let Some((first, _)) =
                same_name().find(|(_, other)| cfg.is_empty() || other.is_empty() || *other == cfg)
            {
                errors.push(errors::duplicate_command(&command.name, &node.name, first));
                return false;
            }
            seen.push((command.name.clone(), cfg));
            true
        });
    }
}

/// Command ids below this one are those of the built-in commands.
const RESERVED_IDS: u32 = 256;

fn command_ids_differ(schema: &Schema, errors: &mut Errors) {
    let mut seen: Vec<(u32, String, Span)> = Vec::new();
    for node in &schema.nodes {
        for command in &node.commands {
            let path = names::command_path(&node.name, &command.name);
            let id = names::fnv1a_32(&path);
            if id < RESERVED_IDS {
                errors.push(errors::reserved_id(&command.name, &path));
            }
            let other = seen
                .iter()
                .find(|(other, other_path, _)| *other == id && *other_path != path);
            if let Some((_, other, span)) = other {
                errors.push(errors::id_collision(&command.name, &path, other, *span));
            }
            seen.push((id, path, command.name.span()));
        }
    }
}

fn argument_names_differ(schema: &mut Schema, errors: &mut Errors) {
    for command in schema.nodes.iter_mut().flat_map(|node| &mut node.commands) {
        let mut seen: Vec<Ident> = Vec::new();
        for arg in &mut command.args {
            if seen.contains(&arg.name) {
                errors.push(errors::duplicate_argument(&arg.name, &command.name));
                // It keeps its position, so that handlers and callers with this number of arguments still compile.
                arg.name = quote::format_ident!("{}_{}", arg.name.unraw(), seen.len());
            }
            seen.push(arg.name.clone());
        }
    }
}

fn arguments_are_few(schema: &mut Schema, errors: &mut Errors) {
    for command in schema.nodes.iter_mut().flat_map(|node| &mut node.commands) {
        if command.args.len() > MAX_ARGS {
            errors.push(errors::too_many_arguments(&command.name, MAX_ARGS));
            command.broken = true;
        }
    }
}

fn listed_nodes_exist(schema: &mut Schema, errors: &mut Errors) {
    let known: Vec<String> = schema
        .nodes
        .iter()
        .map(|node| node.name.to_string())
        .collect();
    // Removes the wrong names, and returns whether a name was unknown.
    let mut tidy = |names: &mut Vec<Ident>, keyword: &str| {
        let mut unknown = false;
        let mut seen: Vec<Ident> = Vec::new();
        names.retain(|name| {
            if !known.iter().any(|known| name == known) {
                errors.push(errors::unknown_node(name, known.iter().map(String::as_str)));
                unknown = true;
                return false;
            }
            if seen.contains(name) {
                errors.push(errors::listed_twice(name, keyword));
                return false;
            }
            seen.push(name.clone());
            true
        });
        unknown
    };
    for node in &mut schema.nodes {
        let lists = [
            (Some(&mut node.allow), "allow"),
            (Some(&mut node.connect), "connect"),
            (node.reverse.as_mut(), "reverse"),
        ];
        for (peers, keyword) in lists {
            if let Some(Peers::Named(names)) = peers {
                tidy(names, keyword);
            }
        }
        for command in &mut node.commands {
            if let Some(Callers::Named(names)) = &mut command.options.allow
                && tidy(names, "allow")
            {
                command.options.allow = Some(Callers::Anyone);
            }
        }
    }
}

fn connections_are_allowed(schema: &mut Schema, errors: &mut Errors) {
    let mut missing: Vec<(Ident, Ident)> = Vec::new();
    for node in &schema.nodes {
        let Peers::Named(names) = &node.connect else {
            continue;
        };
        for name in names {
            if let Some(peer) = schema.node(name)
                && peer.allow.covers(&node.name).is_none()
            {
                errors.push(errors::not_allowed_back(name, &node.name, peer.name.span()));
                missing.push((peer.name.clone(), node.name.clone()));
            }
        }
    }
    for (peer, caller) in missing {
        if let Some(NodeType {
            allow: Peers::Named(names),
            ..
        }) = schema.nodes.iter_mut().find(|node| node.name == peer)
        {
            names.push(caller);
        }
    }
}

/// Only those that a node dials can call it back.
fn callers_back_are_dialled(schema: &mut Schema, errors: &mut Errors) {
    for node in &mut schema.nodes {
        let (connect, name) = (&node.connect, &node.name);
        if let Some(Peers::Named(names)) = &mut node.reverse {
            names.retain(|peer| {
                let is_dialled = connect.covers(peer).is_some();
                if !is_dialled {
                    errors.push(errors::reverse_without_connect(peer, name));
                }
                is_dialled
            });
        }
    }
}

fn options_fit_delivery(schema: &mut Schema, errors: &mut Errors) {
    for command in schema.nodes.iter_mut().flat_map(|node| &mut node.commands) {
        if command.broken {
            // Its delivery may be a guess.
            continue;
        }
        for (option, span) in &command.options.given {
            if !option.is_for(command.delivery) {
                errors.push(errors::wrong_delivery(*span, *option, command.delivery));
                if *option == OptionName::Key {
                    command.options.key = None;
                }
            }
        }
    }
}

fn keys_come_from_arguments(schema: &mut Schema, errors: &mut Errors) {
    for command in schema.nodes.iter_mut().flat_map(|node| &mut node.commands) {
        let Some(key) = &command.options.key else {
            continue;
        };
        let mut names = NamesInKey::default();
        names.visit_expr(key);
        let is_arg = |name: &Ident| command.args.iter().any(|arg| arg.name == *name);
        let non_argument = names.0.iter().find(|name| !is_arg(name));
        let error = match non_argument {
            // Constants are written in capitals, and may be part of a key.
            Some(name) if !name.to_string().starts_with(char::is_uppercase) => {
                let args: Vec<String> = command
                    .args
                    .iter()
                    .map(|arg| arg.name.to_string())
                    .collect();
                errors::key_names_no_argument(
                    name.span(),
                    &name.to_string(),
                    args.iter().map(String::as_str),
                    &command.name,
                )
            }
            _ if !names.0.iter().any(is_arg) => {
                let span = command
                    .options
                    .given
                    .iter()
                    .find(|(option, _)| *option == OptionName::Key);
                errors::key_without_argument(
                    span.map_or(command.name.span(), |(_, span)| *span),
                    &command.name,
                )
            }
            _ => continue,
        };
        errors.push(error);
        command.options.key = None;
    }
}

/// The plain names that an expression uses as values.
#[derive(Default)]
struct NamesInKey(Vec<Ident>);

impl<'ast> Visit<'ast> for NamesInKey {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Path(path) => self.0.extend(path.path.get_ident().cloned()),
            // What is called is a function; its arguments are values.
            Expr::Call(call) => call.args.iter().for_each(|arg| self.visit_expr(arg)),
            // These bind names of their own.
            Expr::Closure(_) | Expr::Block(_) | Expr::Match(_) => {}
            // The tokens of a macro can be anything: they are left to rustc.
            Expr::Macro(_) => {}
            _ => syn::visit::visit_expr(self, expr),
        }
    }
}

fn allowed_callers_can_call(schema: &mut Schema, errors: &mut Errors) {
    let mut widened: Vec<(usize, usize)> = Vec::new();
    for (n, node) in schema.nodes.iter().enumerate() {
        for (c, command) in node.commands.iter().enumerate() {
            let Some(Callers::Named(names)) = &command.options.allow else {
                continue;
            };
            for name in names {
                let Some(caller) = schema.node(name) else {
                    continue;
                };
                if schema.may_call(caller, node) {
                    continue;
                }
                errors.push(match schema.linked(caller, node) {
                    true => errors::allow_against_reverse(name, &node.name, &command.name),
                    false => errors::allow_without_link(name, &node.name, &command.name),
                });
                widened.push((n, c));
            }
        }
    }
    for (n, c) in widened {
        schema.nodes[n].commands[c].options.allow = Some(Callers::Anyone);
    }
}
