//! `shop run`: the numbers that it prints, and what it reports about its input.

use std::collections::HashMap;

use mesh_shop::orders;

use crate::process::{Process, file, shipped_orders, shop};

/// The numbers of the last line.
fn numbers(lines: &[String]) -> HashMap<String, Vec<u64>> {
    let last = lines.last().expect("something was printed");
    let mut words = last.split(' ');
    assert_eq!(words.next(), Some("SHOP"), "{lines:#?}");
    let numbers = words.map(|word| {
        let (name, numbers) = word.split_once('=').expect("name=numbers");
        let numbers = numbers
            .split(',')
            .map(|number| number.parse().expect("a number"));
        (name.to_owned(), numbers.collect())
    });
    numbers.collect()
}

#[test]
fn the_orders_that_come_with_the_shop_add_up() {
    let path = shipped_orders();
    let import = orders::read_file(&path).expect("the file is sound");
    assert!(
        import.orders.len() >= 1_000,
        "{} orders",
        import.orders.len()
    );
    let mut run = Process::start(["run".as_ref(), path.as_os_str()]);
    let status = run.end();
    let complaints = run.stderr.all();
    assert!(status.success(), "{status}: {complaints:#?}");

    assert!(!import.skipped.is_empty(), "there are malformed lines");
    for skipped in &import.skipped {
        let complaint = format!("{}: {skipped}; skipped", path.display());
        assert!(
            complaints.contains(&complaint),
            "no `{complaint}` in {complaints:#?}"
        );
    }

    let numbers = numbers(run.stdout.all());
    let number = |name: &str| numbers[name][0];
    assert_eq!(number("orders"), import.orders.len() as u64);
    assert_eq!(number("skipped"), import.skipped.len() as u64);
    assert_eq!(number("orders"), number("charged") + number("declined"));
    assert_eq!(number("audited"), number("charged"));
    assert!(number("declined") > 0, "some orders are over the limit");
    for kind in ["billing", "stock"] {
        let [one, other] = numbers[kind][..] else {
            panic!("{kind} has two instances")
        };
        assert_eq!(one + other, number("orders"), "{kind}");
        assert!(one.abs_diff(other) <= 1, "{kind}: {one} and {other}");
    }
}

#[test]
fn what_is_out_of_stock_is_declined_without_asking_billing() {
    let path = file(
        "out_of_stock.csv",
        b"id,customer,item,quantity,cents\n\
          1,Ada,tea,1,100\n\
          2,Ada,tea,4000000000,100\n\
          3,Ada,whales,1,100\n\
          4,Ada,tea,1,1000000\n\
          5,Ada,tea,1,100\n",
    );
    let mut run = Process::start(["run".as_ref(), path.as_os_str()]);
    let status = run.end();
    assert!(status.success(), "{status}: {:#?}", run.stderr.all());
    let numbers = numbers(run.stdout.all());
    assert_eq!(
        (&numbers["orders"][..], &numbers["charged"][..]),
        (&[5][..], &[2][..])
    );
    assert_eq!(
        (&numbers["declined"][..], &numbers["skipped"][..]),
        (&[3][..], &[0][..])
    );
    assert_eq!(numbers["billing"].iter().sum::<u64>(), 3);
    assert_eq!(numbers["stock"].iter().sum::<u64>(), 5);
}

#[test]
fn a_file_without_orders_gives_a_report_of_zeros() {
    let path = file("empty.csv", b"id,customer,item,quantity,cents\n");
    let mut run = Process::start(["run".as_ref(), path.as_os_str()]);
    let status = run.end();
    assert!(status.success(), "{status}: {:#?}", run.stderr.all());
    let last = "SHOP orders=0 charged=0 declined=0 skipped=0 billing=0,0 stock=0,0 audited=0";
    assert_eq!(run.stdout.all().last().map(String::as_str), Some(last));
}

#[test]
fn a_file_that_cannot_be_read_is_a_clear_error_with_exit_code_2() {
    let headless = file("headless.csv", b"1,Ada,tea,1,100\n");
    let directory = env!("CARGO_TARGET_TMPDIR").as_ref();
    for (path, problem) in [
        ("no/such/file.csv".as_ref(), "cannot read no/such/file.csv"),
        (directory, "cannot read"),
        (
            headless.as_path(),
            "the first line must be `id,customer,item,quantity,cents`",
        ),
    ] {
        let output = shop()
            .arg("run")
            .arg(path)
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}
