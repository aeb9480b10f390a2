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
    let master_doc = format!(
        "Builds a master for `{name}`: nodes register with it and learn from it whom to link to."
    );
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
            /// The whole schema, as constant data.
            #vis const SCHEMA: &'static #rt::Schema = <#mesh as #rt::Mesh>::SCHEMA;

            #[doc = #master_doc]
            #vis fn master() -> #rt::MasterBuilder<#mesh> {
                #rt::MasterBuilder::new()
            }
        }
    }
}
