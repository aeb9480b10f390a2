//! Syntax tree → semantic model. Reads deliveries, attributes and docs, and checks each item by itself. The rules that
//! concern several items together are in `check`.

use quote::ToTokens;
use syn::{Attribute, Expr, Ident, Lit, Type, Visibility, parse::Parser, visit::Visit};

use crate::{
    ast::{Attr, AttrValue, CommandItem, NodeItem, Peers, PeersItem, SchemaItem},
    delivery::Delivery,
    errors::{self, Errors},
    model::{Arg, Command, Docs, Grammar, NodeType, OptionName, Options, Schema},
    options,
};

/// Builds the model of a schema. Mistakes go to `errors`, and the model has everything else.
pub(crate) fn lower(item: SchemaItem, errors: &mut Errors) -> Schema {
    let mut meshes = item.meshes.into_iter();
    let (vis, name, docs) = match meshes.next() {
        Some(mesh) => {
            let docs = docs_only(&mesh.attrs, "mesh", errors);
            (mesh.vis, Some(mesh.name), docs)
        }
        // No visibility is given for the nodes. With `pub`, their users get no further errors about privacy.
        None => (syn::parse_quote!(pub), None, Docs::default()),
    };
    if let Some(first) = &name {
        for second in meshes {
            errors.push(errors::second_mesh(&second.name, first));
        }
    }
    let nodes = item
        .nodes
        .into_iter()
        .map(|node| lower_node(node, item.grammar, &vis, errors))
        .collect();
    Schema {
        grammar: item.grammar,
        runtime: item.runtime,
        vis,
        name,
        mesh_is_tried: item.mesh_is_tried,
        docs,
        nodes,
    }
}

/// Builds a node type. If it is declared elsewhere, only its name and its path are known.
fn lower_node(
    item: NodeItem,
    grammar: Grammar,
    mesh_vis: &Visibility,
    errors: &mut Errors,
) -> NodeType {
    let docs = docs_only(&item.attrs, "node", errors);
    let allow = only_list(item.allow, "an `allow`", &item.name, errors);
    let connect = only_list(item.connect, "a `connect`", &item.name, errors);
    let says_reverse = !item.reverse.is_empty();
    let reverse = only_list(item.reverse, "a `reverse`", &item.name, errors);
    let commands = item
        .commands
        .into_iter()
        .map(|command| lower_command(command, errors))
        .collect();
    NodeType {
        vis: match grammar {
            Grammar::Schema => mesh_vis.clone(),
            Grammar::Nodes => item.vis,
        },
        name: item.name,
        elsewhere: item.elsewhere,
        docs,
        allow,
        connect,
        reverse: says_reverse.then_some(reverse),
        commands,
    }
}

/// The list of peers of one kind: a node has at most one. Several are an error, and are merged.
fn only_list(lists: Vec<PeersItem>, what: &str, node: &Ident, errors: &mut Errors) -> Peers {
    let mut lists = lists.into_iter();
    let Some(first) = lists.next() else {
        return Peers::Named(Vec::new());
    };
    let mut all = first.peers;
    for list in lists {
        errors.push(errors::repeated_setting(
            &list.keyword,
            what,
            &first.keyword,
            node,
        ));
        match (&mut all, list.peers) {
            (Peers::Named(names), Peers::Named(more)) => {
                let new: Vec<_> = more
                    .into_iter()
                    .filter(|name| !names.contains(name))
                    .collect();
                names.extend(new);
            }
            (Peers::Named(_), any @ Peers::Any(_)) => all = any,
            (Peers::Any(_), _) => {}
        }
    }
    all
}

fn lower_command(item: CommandItem, errors: &mut Errors) -> Command {
    let (delivery, mut broken) = lower_delivery(&item, errors);
    let mut command = Command {
        name: item.name,
        docs: Docs::default(),
        cfgs: Vec::new(),
        deprecated: Vec::new(),
        delivery,
        generics: item.generics,
        args: Vec::new(),
        returns: item.returns,
        options: Options::default(),
        broken: false,
    };
    if let Some(ty) = command.returns.take_if(|_| delivery.is_queued()) {
        errors.push(errors::queued_with_return(&ty));
        broken = true;
    }
    for arg in item.args {
        broken |= refuse_types_that_cannot_travel(&arg.ty, errors);
        command.args.push(Arg {
            name: arg.name,
            ty: arg.ty,
        });
    }
    if let Some(ty) = &command.returns {
        broken |= refuse_types_that_cannot_travel(ty, errors);
    }
    command.broken = broken | item.broken;
    for attr in &item.attrs {
        lower_attribute(attr, &mut command, errors);
    }
    command
}

/// The delivery that the words in front of `fn` mean, and whether they were wrong.
fn lower_delivery(item: &CommandItem, errors: &mut Errors) -> (&'static Delivery, bool) {
    let (mut queued, mut balanced, mut broadcast) = (None, None, None);
    let mut wrong = false;
    for (index, word) in item.delivery.iter().enumerate() {
        let text = word.to_string();
        if matches!(
            text.as_str(),
            "async" | "unsafe" | "const" | "extern" | "default" | "static"
        ) {
            errors.push(errors::rust_qualifier(word));
            continue;
        }
        let known = errors::nearest(&text, ["balanced", "broadcast", "queued"]);
        if known != Some(text.as_str()) {
            errors.push(errors::unknown_delivery(word));
            wrong = true;
        }
        let slot = match known {
            Some("queued") => &mut queued,
            Some("balanced") => &mut balanced,
            Some(_) => &mut broadcast,
            None => continue,
        };
        if slot.replace(index).is_some() {
            errors.push(errors::repeated_delivery(word));
        }
    }
    let delivery = match (queued.is_some(), balanced.is_some(), broadcast.is_some()) {
        (false, true, false) => Delivery::BALANCED,
        (false, false, true) if item.returns.is_some() => Delivery::GATHER,
        (false, false, true) => Delivery::BROADCAST,
        (true, true, false) => Delivery::QUEUED_BALANCED,
        (true, false, true) => Delivery::QUEUED_BROADCAST,
        (is_queued, true, true) => {
            errors.push(errors::balanced_and_broadcast(&item.delivery));
            return (
                if is_queued {
                    Delivery::QUEUED_BALANCED
                } else {
                    Delivery::BALANCED
                },
                true,
            );
        }
        (true, false, false) => {
            let word = queued.and_then(|index| item.delivery.get(index));
            if let Some(word) = word.filter(|_| !wrong) {
                errors.push(errors::queued_alone(word));
            }
            return (Delivery::QUEUED_BALANCED, true);
        }
        (false, false, false) => {
            if !wrong {
                errors.push(errors::no_delivery(item.name.span(), &item.name));
            }
            return (Delivery::BALANCED, true);
        }
    };
    if let (Some(queued), Some(other)) = (queued, balanced.or(broadcast))
        && queued > other
    {
        errors.push(errors::queued_last(&item.delivery, delivery.keyword));
    }
    (delivery, wrong)
}

fn lower_attribute(attr: &Attr, command: &mut Command, errors: &mut Errors) {
    match attr.name.as_str() {
        "doc" => add_doc(attr, &mut command.docs, errors),
        "deprecated" if is_rust(attr) => command.deprecated.push(attr.tokens.clone()),
        "deprecated" => errors.push(errors::bad_deprecated(attr.span)),
        "cfg" => match attr.value {
            AttrValue::List(_) => command.cfgs.push(attr.clone()),
            _ => errors.push(errors::bad_cfg(attr.span)),
        },
        "cfg_attr" => errors.push(errors::cfg_attr(attr.span)),
        "warn" | "deny" | "forbid" | "expect" | "must_use" | "inline" => {
            errors.push(errors::lint_on_command(attr.span, &attr.name));
        }
        name => match OptionName::ALL
            .into_iter()
            .find(|option| option.name() == name)
        {
            Some(option) => options::read(option, attr, command, errors),
            None => errors.push(errors::unknown_option(attr.span, name)),
        },
    }
}

/// The docs of a mesh or a node, which take no other attributes.
fn docs_only(attrs: &[Attr], what: &str, errors: &mut Errors) -> Docs {
    let mut docs = Docs::default();
    for attr in attrs {
        let name = attr.name.as_str();
        match name {
            "doc" => add_doc(attr, &mut docs, errors),
            "cfg" | "cfg_attr" => errors.push(errors::cfg_on(attr.span, what)),
            _ if OptionName::ALL.iter().any(|option| option.name() == name) => {
                errors.push(errors::option_on(attr.span, name, what));
            }
            _ => errors.push(errors::attribute_on(attr.span, name, what)),
        }
    }
    docs
}

/// Whether an attribute that is carried over is valid Rust.
fn is_rust(attr: &Attr) -> bool {
    Attribute::parse_outer.parse2(attr.tokens.clone()).is_ok()
}

fn add_doc(attr: &Attr, docs: &mut Docs, errors: &mut Errors) {
    if !is_rust(attr) || matches!(attr.value, AttrValue::Word) {
        errors.push(errors::bad_doc(attr.span));
        return;
    }
    docs.attrs.push(attr.tokens.clone());
    let AttrValue::Equals(value) = &attr.value else {
        return;
    };
    if let Ok(Lit::Str(line)) = syn::parse2(value.clone()) {
        if !docs.text.is_empty() {
            docs.text.push('\n');
        }
        docs.text.push_str(line.value().trim());
    }
}

/// Reports what cannot travel because of its form, and returns whether there is any. The rest is left to serde.
fn refuse_types_that_cannot_travel(ty: &Type, errors: &mut Errors) -> bool {
    let mut visitor = TypeVisitor {
        errors,
        found: false,
    };
    visitor.visit_type(ty);
    visitor.found
}

struct TypeVisitor<'a> {
    errors: &'a mut Errors,
    found: bool,
}

impl TypeVisitor<'_> {
    fn refuse(&mut self, error: syn::Error) {
        self.errors.push(error);
        self.found = true;
    }
}

impl<'ast> Visit<'ast> for TypeVisitor<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        // One error for each type: what is inside of a refused type is not looked at.
        match ty {
            Type::Reference(reference) => self.refuse(errors::reference_type(
                ty,
                owned(&reference.elem).as_deref(),
            )),
            Type::ImplTrait(_) => self.refuse(errors::impl_trait_type(ty)),
            Type::TraitObject(_) => self.refuse(errors::dyn_type(ty)),
            Type::Ptr(_) | Type::FnPtr(_) => self.refuse(errors::pointer_type(ty)),
            Type::Infer(_) => self.refuse(errors::infer_type(ty)),
            Type::Never(_) => self.refuse(errors::never_type(ty)),
            Type::Path(path)
                if path
                    .path
                    .segments
                    .first()
                    .is_some_and(|first| first.ident == "Self") =>
            {
                self.refuse(errors::self_type(ty));
            }
            _ => syn::visit::visit_type(self, ty),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if lifetime.ident != "static" {
            self.refuse(errors::lifetime_in_type(lifetime));
        }
    }

    fn visit_expr(&mut self, _: &'ast Expr) {
        // The length of an array may be any expression.
    }
}

/// What to write instead of a reference to that type.
fn owned(ty: &Type) -> Option<String> {
    let text = match ty {
        Type::Path(path) if path.path.is_ident("str") => "String".to_string(),
        Type::Path(path) if path.path.is_ident("Path") => "PathBuf".to_string(),
        Type::Slice(slice) => format!("Vec<{}>", crate::names::text(slice.elem.to_token_stream())),
        Type::Path(_) | Type::Tuple(_) | Type::Array(_) => crate::names::text(ty.to_token_stream()),
        _ => return None,
    };
    Some(text)
}
