//! The guide is whole: each page is in its table of contents and among the doctests, and each link leads to a file.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use mesh_tests::root;

fn pages() -> BTreeSet<String> {
    let folder = fs::read_dir(root().join("docs/guide/src")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "SUMMARY.md").collect()
}

/// Where the links of a page lead that lead to files.
fn links(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let targets = targets.map(|(target, _)| target.split('#').next().unwrap().to_owned());
    targets
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn each_page_is_in_the_table_of_contents_and_compiled() {
    let contents: BTreeSet<_> = links(&root().join("docs/guide/src/SUMMARY.md"))
        .into_iter()
        .collect();
    assert_eq!(contents, pages());
    let compiled = include_str!("../src/guide.rs");
    for page in pages() {
        assert!(
            compiled.contains(&format!("\"{page}\"")),
            "{page} is not in tests/src/guide.rs"
        );
    }
}

#[test]
fn each_link_leads_to_a_file() {
    let guide = pages()
        .into_iter()
        .map(|page| format!("docs/guide/src/{page}"));
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "mesh-examples/shop/README.md",
    ];
    for page in guide.chain(others.map(str::to_owned)) {
        let page = root().join(page);
        for link in links(&page) {
            // Code may look like a link.
            if !link.contains('.') && !link.contains('/') {
                continue;
            }
            let target: PathBuf = page.parent().unwrap().join(&link);
            assert!(
                target.exists(),
                "{}: `{link}` leads nowhere",
                page.display()
            );
        }
    }
}
