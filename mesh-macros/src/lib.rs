//! m
/// x
#[proc_macro]
pub fn mesh_schema(input: proc_macro::TokenStream) -> proc_macro::TokenStream { input }
