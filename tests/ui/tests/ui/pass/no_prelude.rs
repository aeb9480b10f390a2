//! Nothing is in scope by itself, and node types are called like what usually is.
#![no_implicit_prelude]
#![deny(missing_docs, warnings)]
#![allow(non_camel_case_types)]

::mesh_runtime::mesh_schema! {
    /// A mesh.
    pub mesh Option;

    /// A node called like a prelude type.
    node Result {
        allow: any;
        connect: any;
        balanced fn first(text: ::std::string::String) -> u8;
        #[allow(Vec)]
        balanced fn second();
    }

    /// Another.
    node Vec {
        allow: any;
        connect: any;
        #[key = n]
        queued balanced fn job(n: u8);
        queued broadcast fn jobs(n: u8);
        broadcast fn all() -> u8;
        broadcast fn tell();
    }

    /// And more.
    node Send {
        connect: any;
        broadcast fn tell(handler: u8, cx: u8, request: u8, core: u8);
    }

    /// Like primitive types and traits.
    node str {}
    /// Like a macro's own words.
    node Clone {}
    /// And this.
    node u32 {}
}

struct Both;

impl ResultHandler for Both {
    async fn first(&self, cx: ::mesh_runtime::Context<Result>, _text: ::std::string::String) -> u8 {
        let _ = cx.client::<Vec>().all();
        0
    }
    async fn second(&self, _cx: ::mesh_runtime::Context<Result>) {}
}

impl SendHandler for Both {
    async fn tell(
        &self,
        _: ::mesh_runtime::Context<Send>,
        _handler: u8,
        _cx: u8,
        _request: u8,
        _core: u8,
    ) {
    }
}

fn main() {
    let _ = Result::node(Both);
    let _ = Send::node(Both);
    let _ = Clone::node();
    let _ = Option::master();
}
