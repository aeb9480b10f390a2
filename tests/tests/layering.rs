//! The modules of the runtime import in one direction: each only from modules that ARCHITECTURE.md lists above it.
//! Every path that begins with `crate` or `super` is checked against that list, wherever it occurs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use mesh_tests::root;
use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, visit::Visit};

/// Where the list begins in ARCHITECTURE.md.
const LIST: &str = "```text layers\n";

/// The modules, layer by layer, the lowest first.
fn layers() -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, list) = text.split_once(LIST).expect("the list of layers");
    let (list, _) = list.split_once("```").expect("the end of the list");
    list.lines()
        .map(|line| line.split("  ").next().unwrap_or(line))
        .map(|line| line.split_whitespace().map(ToOwned::to_owned).collect())
        .collect()
}

/// One module of the runtime imports another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: String,
    to: String,
    file: String,
}

/// Collects the imports of one file.
struct Imports<'a> {
    /// The module of the file, from the root of the crate.
    module: Vec<String>,
    file: &'a str,
    found: &'a mut BTreeSet<Import>,
}

impl Imports<'_> {
    /// A path, as far as it is written: `crate::link::link` or `super::budget`.
    fn note(&mut self, path: &[String]) {
        let to = match path.first().map(String::as_str) {
            Some("crate") => path.get(1),
            Some("super") => {
                let ups = path
                    .iter()
                    .take_while(|segment| *segment == "super")
                    .count();
                match self.module.len().checked_sub(ups) {
                    Some(depth) if depth > 0 => self.module.first(),
                    _ => path.get(ups),
                }
            }
            _ => None,
        };
        let from = &self.module[0];
        if let Some(to) = to.filter(|to| *to != from) {
            self.found.insert(Import {
                from: from.clone(),
                to: to.clone(),
                file: self.file.to_owned(),
            });
        }
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(before, tree);
                }
            }
        }
    }

    /// Paths in unparsed tokens: the arguments of macros and attributes.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => continue,
                // `$crate::name!`: an exported macro is at the root of the crate, in no module.
                TokenTree::Punct(punct) if punct.as_char() == '!' && path.len() == 2 => {
                    path.clear();
                }
                other => {
                    self.note_within(&mut path);
                    if let TokenTree::Group(group) = other {
                        self.note_tokens(group.stream());
                    }
                }
            }
        }
        self.note_within(&mut path);
    }

    fn note_within(&mut self, words: &mut Vec<String>) {
        for begin in 0..words.len() {
            let goes_on = begin > 0 && words[begin - 1] == "super";
            if words[begin] == "crate" || (words[begin] == "super" && !goes_on) {
                self.note(&words[begin..]);
            }
        }
        words.clear();
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !attributes.iter().any(is_test_only) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            syn::visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.note(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.visit_path(&invocation.path);
        self.note_tokens(invocation.tokens.clone());
    }
}

fn is_test_only(attribute: &syn::Attribute) -> bool {
    let meta = attribute.meta.require_list();
    meta.is_ok_and(|meta| meta.path.is_ident("cfg") && meta.tokens.to_string() == "test")
}

/// The imports of every module. Tests may import anything.
fn imports() -> BTreeSet<Import> {
    let source = root().join("mesh-runtime/src");
    let files: Vec<(PathBuf, syn::File)> = files(&source)
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            (path, syn::parse_file(&text).expect("Rust"))
        })
        .collect();
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, parsed)| test_files(path, parsed))
        .collect();
    let mut found = BTreeSet::new();
    for (path, parsed) in &files {
        let within = path.strip_prefix(&source).expect("a file of the runtime");
        let is_test = path
            .ancestors()
            .any(|path| tests.contains(&path.with_extension("")));
        // The root of the crate names all modules.
        if !is_test && within != Path::new("lib.rs") {
            let mut imports = Imports {
                module: module(within),
                file: &within.display().to_string(),
                found: &mut found,
            };
            imports.visit_file(parsed);
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the runtime");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The files, without their extension, of the modules that a file declares for tests only.
fn test_files(path: &Path, parsed: &syn::File) -> Vec<PathBuf> {
    let beside = path.parent().expect("a folder").to_path_buf();
    let within = path.with_extension("");
    let modules = parsed.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.attrs.iter().any(is_test_only) => {
            Some(module.ident.to_string())
        }
        _ => None,
    });
    modules
        .flat_map(|name| [beside.join(&name), within.join(&name)])
        .collect()
}

/// The module of a file.
fn module(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let parts = file.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| part != "mod").collect()
}

#[test]
fn imports_point_one_way() {
    let layers = layers();
    let level = |module: &str| {
        let found = layers
            .iter()
            .position(|layer| layer.iter().any(|name| name == module));
        found.unwrap_or_else(|| panic!("ARCHITECTURE.md has no layer for the module `{module}`"))
    };
    let imports = imports();
    assert!(
        imports.len() > 100,
        "only {} imports were found",
        imports.len()
    );
    let wrong: Vec<String> = imports
        .iter()
        .filter(|import| level(&import.to) >= level(&import.from))
        .map(|Import { from, to, file }| format!("{file}: `{from}` imports from `{to}`"))
        .collect();
    assert!(
        wrong.is_empty(),
        "imports that do not point down:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_listed_module_exists_and_is_listed_once() {
    let mut listed: Vec<String> = layers().into_iter().flatten().collect();
    listed.sort();
    let source = root().join("mesh-runtime/src");
    let mut there: Vec<String> = fs::read_dir(source)
        .expect("the runtime")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "lib")
        .collect();
    there.sort();
    there.dedup();
    assert_eq!(listed, there);
}
