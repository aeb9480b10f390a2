//! Each process started separately, as a reader would start them in terminals.

use crate::process::{Process, file, shipped_orders};

/// A master on any port, and its address.
fn master() -> (Process, String) {
    let mut master = Process::start(["master", "--bind", "127.0.0.1:0"]);
    let line = master.stdout.wait_for("MASTER ");
    (master, line["MASTER ".len()..].to_owned())
}

#[test]
fn processes_started_one_by_one_serve_one_gateway_after_the_other() {
    let (mut master, address) = master();
    let mut services: Vec<_> = ["stock", "billing", "billing", "audit"]
        .map(|kind| Process::start([kind, "--master", &address]))
        .into();
    for service in &mut services {
        // Such as `Billing/4c1f… is up at …`.
        service.stdout.wait_for("");
    }
    for _ in 0..2 {
        let mut gateway = Process::start([
            "gateway".as_ref(),
            "--master".as_ref(),
            address.as_ref(),
            "--billings".as_ref(),
            "2".as_ref(),
            shipped_orders().as_os_str(),
        ]);
        let status = gateway.end();
        assert!(status.success(), "{status}: {:#?}", gateway.stderr.all());
        gateway.stdout.wait_for("SHOP orders=");
    }
    for service in services.iter_mut().chain([&mut master]) {
        service.signal("INT");
        let status = service.end();
        assert!(
            status.success(),
            "Ctrl-C is how a service is ended: {status}: {:#?}",
            service.stderr.all()
        );
    }
}

#[test]
fn a_gateway_with_a_wrong_key_is_refused() {
    let (_master, address) = master();
    let orders = file(
        "wrong_key.csv",
        b"id,customer,item,quantity,cents\n1,Ada,tea,1,100\n",
    );
    let mut gateway = Process::start([
        "gateway".as_ref(),
        "--master".as_ref(),
        address.as_ref(),
        "--private-key".as_ref(),
        "not the right one".as_ref(),
        orders.as_os_str(),
    ]);
    assert_eq!(gateway.end().code(), Some(1));
    let said = gateway.stderr.all();
    assert!(
        said.iter()
            .any(|line| line.contains("the keys do not match")),
        "{said:#?}"
    );
}
