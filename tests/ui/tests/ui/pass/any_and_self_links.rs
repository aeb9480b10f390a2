//! `any` links with all that allow back, and a node type may link to itself. Either end of a link may call.

use mesh_runtime::{Node, mesh_schema};

mesh_schema! {
    mesh Small;

    node Open {
        allow: any;
        connect: any;
        balanced fn ping();
    }

    node Picky {
        allow: [Open, Picky];
        connect: [Picky, Open];
    }

    node Closed {
        connect: any;
    }
}


async fn calls(open: Node<Open>, picky: Node<Picky>, closed: Node<Closed>) {
    let _ = open.client::<Open>().ping().await;
    let _ = picky.client::<Open>().ping().await;
    let _ = closed.client::<Open>().ping().await;
    let _ = picky.client::<Picky>();
    let _ = open.client::<Closed>();
}

fn main() {
    let _ = calls;
    let links = |name| Small::SCHEMA.node(name).unwrap().links_to;
    assert_eq!(links("Open"), ["Open", "Picky"]);
    assert_eq!(links("Picky"), ["Open", "Picky"]);
    assert_eq!(links("Closed"), ["Open"]);
}
