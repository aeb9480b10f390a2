//! Nodes in files of their own, which know nothing of each other.

#[path = "elsewhere/audit.rs"]
mod audit;
#[path = "elsewhere/billing.rs"]
mod billing;

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node audit::Audit;
    node billing::Billing;
}

fn main() {
    assert!(Shop::SCHEMA.may_link("Billing", "Audit"));
}
