//! The sums of a run, and whether they are consistent. Knows nothing of processes or calls.

use std::fmt;

use mesh_runtime::InstanceId;
use mesh_shop::{billing::BillingTotals, stock::StockTotals};

/// What the gateway has counted, and what the other nodes report.
#[derive(Debug, Default, Clone)]
pub(crate) struct Totals {
    /// Orders in the file.
    pub(crate) orders: u64,
    /// Lines that are not orders.
    pub(crate) skipped: u64,
    /// Orders charged.
    pub(crate) charged: u64,
    /// What was charged for them, in cents.
    pub(crate) cents: u64,
    /// Orders that Billing declined.
    pub(crate) declined: u64,
    /// Orders whose goods were out of stock.
    pub(crate) out_of_stock: u64,
    /// What each Billing reports.
    pub(crate) billing: Vec<(InstanceId, BillingTotals)>,
    /// What each Stock reports.
    pub(crate) stock: Vec<(InstanceId, StockTotals)>,
    /// Entries in the books.
    pub(crate) audited: u64,
    /// Whether the same instances were linked all the time: only then each must have received its exact share.
    pub(crate) steady: bool,
}

/// Two numbers that should be equal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {left} and {right}")]
pub(crate) struct Mismatch {
    what: &'static str,
    left: u64,
    right: u64,
}

impl Totals {
    /// All orders that were not charged, for any reason.
    fn all_declined(&self) -> u64 {
        self.declined + self.out_of_stock
    }

    /// Compares all sums with each other.
    pub(crate) fn check(&self) -> Result<(), Mismatch> {
        let billing = |part: fn(&BillingTotals) -> u64| {
            self.billing.iter().map(|(_, totals)| part(totals)).sum()
        };
        let stock =
            |part: fn(&StockTotals) -> u64| self.stock.iter().map(|(_, totals)| part(totals)).sum();
        let sums: [(&'static str, u64, u64); 11] = [
            (
                "orders, and charged plus declined",
                self.orders,
                self.charged + self.all_declined(),
            ),
            (
                "orders, and calls that the Stocks served",
                self.orders,
                stock(|totals| totals.served),
            ),
            (
                "orders in stock, and reservations",
                self.orders - self.out_of_stock,
                stock(|totals| totals.reserved),
            ),
            (
                "out of stock here, and at the Stocks",
                self.out_of_stock,
                stock(|totals| totals.out_of_stock),
            ),
            (
                "declined, and reservations put back",
                self.declined,
                stock(|totals| totals.released),
            ),
            (
                "orders in stock, and calls that the Billings served",
                self.orders - self.out_of_stock,
                billing(|totals| totals.served),
            ),
            (
                "charged here, and at the Billings",
                self.charged,
                billing(|totals| totals.charged),
            ),
            (
                "declined here, and at the Billings",
                self.declined,
                billing(|totals| totals.declined),
            ),
            (
                "cents charged here, and at the Billings",
                self.cents,
                billing(|totals| totals.cents),
            ),
            ("charged, and audited", self.charged, self.audited),
            (
                "orders in stock, and charged plus declined",
                self.orders - self.out_of_stock,
                self.charged + self.declined,
            ),
        ];
        for (what, left, right) in sums {
            if left != right {
                return Err(Mismatch { what, left, right });
            }
        }
        if self.steady {
            even(
                "calls that the Billings served, in turn",
                self.billing.iter().map(|(_, totals)| totals.served),
            )?;
            even(
                "calls that the Stocks served, in turn",
                self.stock.iter().map(|(_, totals)| totals.served),
            )?;
        }
        Ok(())
    }
}

/// Calls are distributed round robin, so no two shares differ by more than one.
fn even(what: &'static str, shares: impl Iterator<Item = u64> + Clone) -> Result<(), Mismatch> {
    let (left, right) = (shares.clone().min().unwrap_or(0), shares.max().unwrap_or(0));
    match right - left {
        0 | 1 => Ok(()),
        _ => Err(Mismatch { what, left, right }),
    }
}

/// The report. Its last line is for programs.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders,
            skipped,
            charged,
            declined,
            out_of_stock,
            audited,
            ..
        } = self;
        writeln!(
            f,
            "{orders} orders were placed; {skipped} lines were skipped"
        )?;
        writeln!(
            f,
            "  charged   {charged:>7}  {}.{:02} in all",
            self.cents / 100,
            self.cents % 100
        )?;
        writeln!(
            f,
            "  declined  {:>7}  {declined} by Billing, {out_of_stock} out of stock",
            self.all_declined()
        )?;
        for (instance, totals) in &self.billing {
            let BillingTotals {
                served,
                charged,
                declined,
                ..
            } = totals;
            writeln!(
                f,
                "  {:<9} {served:>7}  calls: {charged} charged, {declined} declined",
                instance.as_str()
            )?;
        }
        for (instance, totals) in &self.stock {
            let StockTotals {
                served,
                reserved,
                released,
                out_of_stock,
            } = totals;
            writeln!(
                f,
                "  {:<9} {served:>7}  calls: {reserved} set aside ({released} put back again), \
                 {out_of_stock} out of stock",
                instance.as_str()
            )?;
        }
        writeln!(f, "  audited   {audited:>7}")?;
        write!(
            f,
            "SHOP orders={orders} charged={charged} declined={} skipped={skipped} billing={} stock={} audited={audited}",
            self.all_declined(),
            list(self.billing.iter().map(|(_, totals)| totals.served)),
            list(self.stock.iter().map(|(_, totals)| totals.served)),
        )
    }
}

fn list(numbers: impl Iterator<Item = u64>) -> String {
    numbers
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten orders: seven charged, two declined, one out of stock.
    fn sound() -> Totals {
        let billing = |served, charged, declined| BillingTotals {
            served,
            charged,
            declined,
            cents: charged * 100,
        };
        let stock = |served, reserved, released, out_of_stock| StockTotals {
            served,
            reserved,
            released,
            out_of_stock,
        };
        Totals {
            orders: 10,
            skipped: 3,
            charged: 7,
            cents: 700,
            declined: 2,
            out_of_stock: 1,
            billing: vec![
                ("billing-1".into(), billing(5, 4, 1)),
                ("billing-2".into(), billing(4, 3, 1)),
            ],
            stock: vec![
                ("stock-1".into(), stock(5, 5, 2, 0)),
                ("stock-2".into(), stock(5, 4, 0, 1)),
            ],
            audited: 7,
            steady: true,
        }
    }

    #[test]
    fn sums_that_add_up_pass() {
        assert_eq!(sound().check(), Ok(()));
    }

    #[test]
    fn every_sum_that_is_off_by_one_is_found() {
        let spoil: [fn(&mut Totals); 13] = [
            |totals| totals.orders += 1,
            |totals| totals.charged -= 1,
            |totals| totals.cents += 1,
            |totals| totals.declined += 1,
            |totals| totals.out_of_stock -= 1,
            |totals| totals.audited -= 1,
            |totals| totals.billing[0].1.served += 1,
            |totals| totals.billing[1].1.charged += 1,
            |totals| totals.billing[1].1.declined += 1,
            |totals| totals.billing[0].1.cents -= 1,
            |totals| totals.stock[0].1.served -= 1,
            |totals| totals.stock[0].1.released += 1,
            |totals| totals.stock[1].1.reserved -= 1,
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let mut totals = sound();
            spoil(&mut totals);
            assert!(totals.check().is_err(), "number {number} was not found");
        }
    }

    #[test]
    fn shares_must_be_even_if_the_same_instances_were_there_all_the_time() {
        let mut totals = sound();
        totals.billing[0].1.served += 1;
        totals.billing[1].1.served -= 1;
        let error = totals.check().expect_err("6 and 3 are not even");
        assert_eq!(
            error.to_string(),
            "calls that the Billings served, in turn: 3 and 6"
        );
        totals.steady = false;
        assert_eq!(totals.check(), Ok(()));
    }

    #[test]
    fn the_last_line_is_for_programs() {
        let report = sound().to_string();
        let last = report.lines().last();
        assert_eq!(
            last,
            Some("SHOP orders=10 charged=7 declined=3 skipped=3 billing=5,4 stock=5,5 audited=7")
        );
    }
}
