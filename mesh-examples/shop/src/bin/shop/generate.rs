//! Generates a file of orders, the same for the same numbers: most of them valid, some too expensive for Billing, and
//! some lines malformed. `mesh-examples/shop/data/orders.csv` is its output with the defaults.

use std::io::{self, Write};

use clap::Args;
use mesh_shop::{billing::DEFAULT_LIMIT_CENTS, orders, stock::CATALOGUE};

use crate::error::ShopError;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// How many lines, the header not counted
    #[arg(long, default_value_t = 1_200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lines: u32,

    /// How many of the lines are malformed
    #[arg(long, default_value_t = 8, value_name = "N")]
    malformed: u32,

    /// Another seed gives other orders
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

const CUSTOMERS: [&str; 10] = [
    "Ada", "Basil", "Clara", "Dino", "Edith", "Felix", "Greta", "Hugo", "Ines", "Jonas",
];

/// Writes a file of orders.
pub(crate) fn generate(args: &GenerateArgs, output: impl Write) -> Result<(), ShopError> {
    match write(args, io::BufWriter::new(output)) {
        // The reader of a pipe may close it early.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ShopError::Io {
            what: "cannot write the orders",
            source: error,
        }),
        _ => Ok(()),
    }
}

fn write(args: &GenerateArgs, mut output: impl Write) -> io::Result<()> {
    let mut random = Random(args.seed);
    writeln!(output, "{}", orders::HEADER.join(","))?;
    let malformed = args.malformed.min(args.lines);
    let mut made = 0;
    for line in 0..args.lines {
        let customer = CUSTOMERS[random.below(CUSTOMERS.len() as u64) as usize];
        let item = CATALOGUE[random.below(CATALOGUE.len() as u64) as usize];
        let quantity = 1 + random.below(5);
        // About one in twelve is over the limit.
        let cents = match random.below(12) {
            0 => DEFAULT_LIMIT_CENTS + 1 + random.below(20_000),
            _ => 100 + random.below(DEFAULT_LIMIT_CENTS - 100),
        };
        let id = 1_000 + line;
        // The malformed lines are spread evenly over the file. None is on the first line, because one kind repeats an
        // order.
        let is_malformed =
            u64::from(line + 1) * u64::from(malformed) / u64::from(args.lines) > made;
        if is_malformed {
            made += 1;
            writeln!(
                output,
                "{}",
                malformed_line(made, id, customer, item, quantity, cents)
            )?;
        } else {
            writeln!(output, "{id},{customer},{item},{quantity},{cents}")?;
        }
    }
    output.flush()
}

fn malformed_line(
    kind: u64,
    id: u32,
    customer: &str,
    item: &str,
    quantity: u64,
    cents: u64,
) -> String {
    match kind % 8 {
        1 => format!("{id},{customer},{item},{quantity}"),
        2 => format!("{id},{customer},{item},many,{cents}"),
        3 => format!("{id},{customer},{item},{quantity},-{cents}"),
        4 => format!("{id},,{item},{quantity},{cents}"),
        5 => format!("{id},{customer},{item},0,{cents}"),
        6 => format!("{id},{customer},{item},{quantity},{cents},today"),
        7 => format!("#{id},{customer},{item},{quantity},{cents}"),
        _ => format!("1000,{customer},{item},{quantity},{cents}"),
    }
}

/// Pseudo-random numbers that are the same in every run: a mixed counter (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut stirred = self.0;
        stirred = (stirred ^ (stirred >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        stirred = (stirred ^ (stirred >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (stirred ^ (stirred >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn made(flags: &[&str]) -> Vec<u8> {
        let flags = std::iter::once("generate").chain(flags.iter().copied());
        let mut output = Vec::new();
        generate(&Defaults::parse_from(flags).args, &mut output)
            .expect("a vector takes everything");
        output
    }

    #[test]
    fn the_file_that_comes_with_the_shop_is_what_is_made_by_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/orders.csv");
        let shipped = std::fs::read(path).expect("data/orders.csv is there");
        assert!(
            shipped == made(&[]),
            "make it again: shop generate > mesh-examples/shop/data/orders.csv"
        );
    }

    #[test]
    fn so_many_lines_are_malformed_and_the_rest_are_orders() {
        let import = orders::read(
            &made(&["--lines", "500", "--malformed", "16"])[..],
            Path::new("made"),
        )
        .expect("the header is right");
        assert_eq!((import.orders.len(), import.skipped.len()), (484, 16));
    }
}
