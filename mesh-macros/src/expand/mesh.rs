//! The type that stands for the mesh, with `SCHEMA` and `master()`; and its schema, once it is composed.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::{Cx, docs, node};
use crate::model::NodeType;

/// The marker type.
pub(super) fn marker(cx: &Cx<'_>) -> TokenStream {
    let Cx {
        rt, mesh, schema, ..
    } = cx;
    let vis = &schema.vis;
    let docs = docs::mesh(schema);
    let derived = node::derived(mesh);
    let (schema_docs, master_docs) = (docs::schema(mesh), docs::master(mesh));
    quote! {
        #docs
        #[allow(dead_code)]
        #vis struct #mesh;

        #derived

        #[allow(dead_code)]
        impl #mesh {
            #schema_docs
            #vis const SCHEMA: &'static #rt::Schema = <#mesh as #rt::Mesh>::SCHEMA;

            #master_docs
            #vis fn master() -> #rt::MasterBuilder<#mesh> {
                #rt::MasterBuilder::new()
            }
        }
    }
}

/// `impl Mesh`: the schema as constant data.
pub(super) fn implementation(cx: &Cx<'_>) -> TokenStream {
    let Cx {
        rt, mesh, schema, ..
    } = cx;
    let name = mesh.unraw().to_string();
    let text = &schema.docs.text;
    let nodes = schema.nodes.iter().map(NodeType::path);
    quote! {
        impl #rt::Mesh for #mesh {
            const SCHEMA: &'static #rt::Schema =
                &#rt::Schema::new(#name, #text, &[#(<#nodes as #rt::NodeType>::SPEC),*]);
        }
    }
}
