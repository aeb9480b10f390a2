//! Schemas with tokens removed, duplicated, swapped and replaced: nothing makes the macro panic, and its output is
//! always Rust, with or without `compile_error!`.

use proc_macro2::{Group, TokenStream, TokenTree};

use super::{SHOP, tokens};

/// A small xorshift generator: the same seed gives the same schemas.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).expect("smaller than a usize")
    }
}

/// Changes one place of a schema, at any depth. New tokens come from `dictionary`.
fn mutate(stream: TokenStream, dice: &mut Dice, dictionary: &[TokenTree]) -> TokenStream {
    let mut trees: Vec<TokenTree> = stream.into_iter().collect();
    if trees.is_empty() {
        return dictionary[dice.roll(dictionary.len())].clone().into();
    }
    let at = dice.roll(trees.len());
    let groups: Vec<usize> = (0..trees.len())
        .filter(|index| matches!(trees[*index], TokenTree::Group(_)))
        .collect();
    // Usually goes deeper, because most tokens of a schema are nested.
    if !groups.is_empty() && dice.roll(4) > 0 {
        let at = groups[dice.roll(groups.len())];
        if let TokenTree::Group(group) = &trees[at] {
            let inner = mutate(group.stream(), dice, dictionary);
            trees[at] = Group::new(group.delimiter(), inner).into();
        }
        return trees.into_iter().collect();
    }
    match dice.roll(5) {
        0 => {
            trees.remove(at);
        }
        1 => trees.insert(at, trees[at].clone()),
        2 => {
            let other = dice.roll(trees.len());
            trees.swap(at, other);
        }
        3 => trees[at] = dictionary[dice.roll(dictionary.len())].clone(),
        _ => trees.truncate(at),
    }
    trees.into_iter().collect()
}

/// Collects every token of a schema: groups, and the tokens in them.
fn flatten(stream: TokenStream, all: &mut Vec<TokenTree>) {
    for tree in stream {
        if let TokenTree::Group(group) = &tree {
            flatten(group.stream(), all);
        }
        all.push(tree);
    }
}

#[test]
fn mutated_schemas_give_items_or_mistakes_and_never_a_panic() {
    let mut dictionary = Vec::new();
    flatten(tokens(SHOP), &mut dictionary);
    flatten(
        tokens(
            "any path::Name ; , : :: -> => = & ' 'a < > ! ? @ ... #! self Self fn impl dyn where pub _ 7 \"\" 1.5 {} () [] r#fn é",
        ),
        &mut dictionary,
    );
    let (mut fine, mut refused) = (0, 0);
    for seed in 1..=2_500_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut schema = tokens(SHOP);
        for _ in 0..=dice.roll(6) {
            schema = mutate(schema, &mut dice, &dictionary);
        }
        let written = schema.to_string();
        // One seed in five tests the grammar of `mesh_node!`: most of it is common to both.
        let (output, errors) = match seed % 5 {
            0 => crate::node_steps(schema),
            _ => crate::schema_steps(schema),
        };
        let messages = errors.messages();
        if messages.is_empty() {
            fine += 1;
        } else {
            refused += 1;
        }
        assert!(messages.iter().all(|message| !message.is_empty()));
        let mut whole = output;
        whole.extend(errors.into_tokens());
        if let Err(error) = syn::parse2::<syn::File>(whole) {
            panic!("seed {seed}: not a file of items: {error}\n{messages:#?}\n{written}");
        }
    }
    // Unless both kinds occur often enough, the mutations test too little.
    assert!(
        fine > 50 && refused > 1_000,
        "{fine} fine, {refused} refused"
    );
}
