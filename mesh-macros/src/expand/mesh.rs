//! The type that stands for the mesh, with `SCHEMA` and `master()`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::{Cx, docs, node};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx {
        rt,
        mesh,
        vis,
        schema,
        ..
    } = cx;
    let docs = docs::mesh(schema);
    let derived = node::derived(mesh);
    let name = mesh.unraw().to_string();
    let text = &schema.docs.text;
    let nodes = schema.nodes.iter().map(|node| &node.name);
    let (schema_docs, master_docs) = (docs::schema(mesh), docs::master(mesh));
    quote! {
        #docs
        #[allow(dead_code)]
        #vis struct #mesh;

        #derived

        impl #rt::Mesh for #mesh {
            const SCHEMA: &'static #rt::Schema =
                &#rt::Schema::new(#name, #text, &[#(<#nodes as #rt::NodeType>::SPEC),*]);
        }

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
