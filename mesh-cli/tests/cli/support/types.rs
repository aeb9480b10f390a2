//! The types of arguments and answers that both versions of the shop have in common.

use serde::{Deserialize, Serialize};

/// Who orders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) country: String,
}

/// What is ordered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) cents: u64,
}

/// How it is paid.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Payment {
    Cash,
    Card(String),
    Invoice { days: u16 },
}

/// What has been charged, and by whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: u64,
    pub(crate) cents: u64,
    pub(crate) by: String,
    /// What came along with the call.
    pub(crate) tenant: Option<String>,
    pub(crate) note: Option<String>,
}

/// Why nothing has been charged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Declined {
    pub(crate) why: String,
}

/// A line in the books.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) text: String,
    /// The error with which the job fails for good, unless the desk accepts all.
    pub(crate) fails_with: Option<String>,
}
