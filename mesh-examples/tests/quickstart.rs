//! The quickstart must work, since newcomers run it first. It is run here twice at once.

#[allow(dead_code)]
#[path = "../examples/quickstart.rs"]
mod example;

#[tokio::test(flavor = "multi_thread")]
async fn two_quickstarts_at_once_do_not_disturb_each_other() {
    let (one, other) = tokio::join!(example::quickstart(), example::quickstart());
    one.expect("the first succeeds");
    other.expect("the second succeeds");
}
