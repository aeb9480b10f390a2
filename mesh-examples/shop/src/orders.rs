//! Orders, and the file that they are read from: CSV with the columns of [`HEADER`]. Lines that are not orders are
//! collected separately, each with its number and the reason. Knows nothing of the mesh.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

/// The first line of a file of orders.
pub const HEADER: [&str; 5] = ["id", "customer", "item", "quantity", "cents"];
/// The maximum number of orders in one file.
pub const MAX_ORDERS: usize = 1_000_000;
/// The maximum size of a file, in bytes.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The maximum length of the name of a customer or an item, in bytes.
pub const MAX_NAME: usize = 100;

/// What a customer wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, unique in the file.
    pub id: u64,
    /// The customer.
    pub customer: String,
    /// The item.
    pub item: String,
    /// How many pieces, at least one.
    pub quantity: u32,
    /// The total price, in cents; at least one.
    pub cents: u64,
}

/// The contents of a file of orders.
#[derive(Debug, Default)]
pub struct Import {
    /// The orders, in the order of the file.
    pub orders: Vec<Order>,
    /// The lines that are not orders.
    pub skipped: Vec<Skipped>,
}

/// A line that is not an order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Skipped {
    /// Its number; the header is line 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why a line is not an order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There are too many or too few fields.
    #[error("{found} fields where {} are expected ({})", HEADER.len(), HEADER.join(", "))]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// A field is not UTF-8.
    #[error("{column} is not UTF-8")]
    NotUtf8 {
        /// Its column.
        column: &'static str,
    },
    /// A field is empty.
    #[error("{column} is empty")]
    Empty {
        /// Its column.
        column: &'static str,
    },
    /// A name is too long.
    #[error("{column} is {bytes} bytes long, {MAX_NAME} are allowed")]
    TooLong {
        /// Its column.
        column: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A field is not a whole number, or the number is too large.
    #[error("{column} is {text:?}, which is no whole number that fits")]
    NoNumber {
        /// Its column.
        column: &'static str,
        /// The text of the field.
        text: String,
    },
    /// A number is negative.
    #[error("{column} is {text}, which is negative")]
    Negative {
        /// Its column.
        column: &'static str,
        /// The text of the field.
        text: String,
    },
    /// A number that must be at least 1 is 0.
    #[error("{column} is 0")]
    Zero {
        /// Its column.
        column: &'static str,
    },
    /// Another line has an order with the same number.
    #[error("order {id} is on line {first} already")]
    Repeated {
        /// The order's number.
        id: u64,
        /// The line of its first occurrence.
        first: u64,
    },
}

/// Why a file could not be read as orders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Its first line is not the header.
    #[error("{}: the first line must be `{}`, and is `{found}`", path.display(), HEADER.join(","))]
    Header {
        /// The file.
        path: PathBuf,
        /// The line.
        found: String,
    },
    /// It is too large.
    #[error("{}: too big: at most {MAX_ORDERS} orders and {MAX_BYTES} bytes", path.display())]
    TooBig {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file of orders.
///
/// # Errors
/// If the file as a whole cannot be used. Problems of single lines are in [`Import::skipped`].
pub fn read_file(path: &Path) -> Result<Import, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    read(file, path)
}

/// Reads orders; `path` is the source named in errors.
///
/// # Errors
/// Like [`read_file`].
pub fn read(source: impl Read, path: &Path) -> Result<Import, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let too_big = || ReadError::TooBig {
        path: path.to_owned(),
    };
    let mut text = Vec::new();
    source
        .take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(too_big());
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&text[..]);
    // Reading from memory, with records of any length and content, cannot fail.
    let header = reader
        .byte_headers()
        .map_err(|error| failed(error.into()))?;
    if header
        .iter()
        .ne(HEADER.iter().map(|column| column.as_bytes()))
    {
        let found: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        return Err(ReadError::Header {
            path: path.to_owned(),
            found: found.join(","),
        });
    }
    let mut import = Import::default();
    let mut lines = Lines {
        text: &text,
        at: 0,
        line: 1,
    };
    let mut known = HashMap::new();
    let mut record = ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| failed(error.into()))?
    {
        let line = lines.line_of(&record);
        let order = order(&record).and_then(|order| match known.entry(order.id) {
            Entry::Vacant(place) => {
                place.insert(line);
                Ok(order)
            }
            Entry::Occupied(first) => Err(Problem::Repeated {
                id: order.id,
                first: *first.get(),
            }),
        });
        match order {
            Ok(order) => import.orders.push(order),
            Err(problem) => import.skipped.push(Skipped { line, problem }),
        }
        if import.orders.len() + import.skipped.len() > MAX_ORDERS {
            return Err(too_big());
        }
    }
    Ok(import)
}

/// Counts lines. The reader's own count is that of the end of the previous record, which is a different line if lines
/// are empty or end with CR LF.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a record begins. Records come in the order of the text.
    fn line_of(&mut self, record: &ByteRecord) -> u64 {
        let after_last = record
            .position()
            .map_or(0, |position| position.byte() as usize);
        let rest = self.text.get(after_last..).unwrap_or_default();
        let start = after_last
            + rest
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
        let passed = self.text.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}

fn order(record: &ByteRecord) -> Result<Order, Problem> {
    if record.len() != HEADER.len() {
        return Err(Problem::Fields {
            found: record.len(),
        });
    }
    let field = |place: usize| -> Result<(&'static str, &str), Problem> {
        let column = HEADER[place];
        match std::str::from_utf8(&record[place]) {
            Err(_) => Err(Problem::NotUtf8 { column }),
            Ok("") => Err(Problem::Empty { column }),
            Ok(text) => Ok((column, text)),
        }
    };
    Ok(Order {
        id: number(field(0)?)?,
        customer: name(field(1)?)?,
        item: name(field(2)?)?,
        quantity: number(field(3)?).and_then(|quantity: u32| not_zero(quantity, HEADER[3]))?,
        cents: number(field(4)?).and_then(|cents: u64| not_zero(cents, HEADER[4]))?,
    })
}

fn name((column, text): (&'static str, &str)) -> Result<String, Problem> {
    match text.len() {
        bytes if bytes > MAX_NAME => Err(Problem::TooLong { column, bytes }),
        _ => Ok(text.to_owned()),
    }
}

fn number<N: std::str::FromStr>((column, text): (&'static str, &str)) -> Result<N, Problem> {
    text.parse().map_err(|_| {
        let text = text.to_owned();
        match text
            .strip_prefix('-')
            .is_some_and(|rest| rest.parse::<N>().is_ok())
        {
            true => Problem::Negative { column, text },
            false => Problem::NoNumber { column, text },
        }
    })
}

fn not_zero<N: Default + PartialEq>(number: N, column: &'static str) -> Result<N, Problem> {
    match number == N::default() {
        true => Err(Problem::Zero { column }),
        false => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(lines: &[u8]) -> Import {
        let text = [b"id,customer,item,quantity,cents\n", lines].concat();
        read(&text[..], Path::new("test.csv")).expect("the header is right")
    }

    fn problems(lines: &[u8]) -> Vec<(u64, String)> {
        let skipped = import(lines).skipped;
        skipped
            .iter()
            .map(|skipped| (skipped.line, skipped.problem.to_string()))
            .collect()
    }

    #[test]
    fn a_line_becomes_an_order() {
        let expected = Order {
            id: 7,
            customer: "Ada, Countess".into(),
            item: "tea".into(),
            quantity: 2,
            cents: 1_250,
        };
        let import = import(b"7,\"Ada, Countess\", tea ,2,1250\n");
        assert_eq!(import.orders, [expected]);
        assert_eq!(import.skipped, []);
    }

    #[test]
    fn every_malformed_line_is_named_by_its_number_and_the_others_are_read() {
        let lines = b"1,ada,tea,2,100\n\
            2,ada,tea,2\n\
            x,ada,tea,2,100\n\
            4,,tea,2,100\n\
            5,ada,tea,2,-100\n\
            6,ada,tea,0,100\n\
            \n\
            1,bob,tea,1,100\n\
            8,bob,t\xffa,1,100\n\
            9,bob,tea,99999999999,100\n\
            10,bob,tea,1,100\n";
        let expected = [
            (
                3,
                "4 fields where 5 are expected (id, customer, item, quantity, cents)",
            ),
            (4, "id is \"x\", which is no whole number that fits"),
            (5, "customer is empty"),
            (6, "cents is -100, which is negative"),
            (7, "quantity is 0"),
            (9, "order 1 is on line 2 already"),
            (10, "item is not UTF-8"),
            (
                11,
                "quantity is \"99999999999\", which is no whole number that fits",
            ),
        ];
        let expected: Vec<_> = expected
            .map(|(line, problem)| (line, problem.to_owned()))
            .into();
        assert_eq!(problems(lines), expected);
        let ids: Vec<_> = import(lines).orders.iter().map(|order| order.id).collect();
        assert_eq!(ids, [1, 10]);
    }

    #[test]
    fn lines_are_counted_right_however_they_end_and_wherever_fields_break() {
        let text = "id,customer,item,quantity,cents\r\n\r\n1,ada,tea,1,0\r\n2,\"a\r\nda\",tea,1,1\r\n3,ada,tea,1,0\r\n4";
        let import = read(text.as_bytes(), Path::new("test.csv")).expect("the header is right");
        let lines: Vec<_> = import.skipped.iter().map(|skipped| skipped.line).collect();
        assert_eq!(lines, [3, 6, 7]);
        assert_eq!(import.orders.len(), 1);
    }

    #[test]
    fn a_name_that_is_too_long_is_no_name() {
        let line = format!("1,{},tea,1,100\n", "x".repeat(MAX_NAME + 1));
        assert_eq!(
            problems(line.as_bytes()),
            [(2, "customer is 101 bytes long, 100 are allowed".to_owned())]
        );
    }

    #[test]
    fn a_file_without_the_header_is_refused() {
        for text in ["", "1,ada,tea,2,100\n", "id,customer\n"] {
            let error =
                read(text.as_bytes(), Path::new("test.csv")).expect_err("there is no header");
            assert!(matches!(error, ReadError::Header { .. }), "{error}");
            assert!(
                error
                    .to_string()
                    .contains("`id,customer,item,quantity,cents`"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = read_file(Path::new("no/such/file.csv")).expect_err("there is no such file");
        assert!(
            error
                .to_string()
                .starts_with("cannot read no/such/file.csv: "),
            "{error}"
        );
    }
}
