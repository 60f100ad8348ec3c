//! Entities in labels of tokens: spans with a type, and their F1, as in chakki-works/seqeval. Its default mode reads labels
//! as the script of CoNLL-2000 (`conlleval`) does, in which an entity may begin with an inside; the strict mode reads IOB2 or
//! IOBES as they are written.

use std::collections::{BTreeMap, BTreeSet};

use super::classification::{ClassCounts, macro_f1};

/// The reading of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// seqeval's default: B, I, E and S in any mixture, an entity begins wherever the type changes.
    Conlleval,
    /// seqeval's `mode="strict", scheme=IOB2`: an entity begins with B and goes on with I of its type.
    Iob2,
    /// seqeval's `mode="strict", scheme=IOBES`: as IOB2, and it ends with E, or is S alone.
    Iobes,
}

/// First and last token and type of an entity.
pub type Entity<'a> = (usize, usize, &'a str);

/// Mark of a label, `O` outside of every entity, and its type, `_` where none is named. What is written otherwise than
/// `B-TYPE` is outside.
fn parts(label: &str) -> (char, &str) {
    let mut chars = label.chars();
    match (chars.next(), chars.as_str()) {
        (Some(mark @ ('B' | 'I' | 'E' | 'S')), "" | "-") => (mark, "_"),
        (Some(mark @ ('B' | 'I' | 'E' | 'S')), rest) if rest.starts_with('-') => (mark, &rest[1..]),
        _ => ('O', "_"),
    }
}

/// The entities of one text.
pub fn entities<'a>(labels: impl IntoIterator<Item = &'a str>, scheme: Scheme) -> BTreeSet<Entity<'a>> {
    match scheme {
        Scheme::Conlleval => loose(labels),
        Scheme::Iob2 => strict(labels, false),
        Scheme::Iobes => strict(labels, true),
    }
}

fn loose<'a>(labels: impl IntoIterator<Item = &'a str>) -> BTreeSet<Entity<'a>> {
    let mut found = BTreeSet::new();
    let (mut mark, mut kind, mut begin, mut place) = ('O', "", 0, 0);
    for label in labels.into_iter().chain(std::iter::once("O")) {
        let (next_mark, next_kind) = parts(label);
        let changes = kind != next_kind;
        let ends = matches!(mark, 'E' | 'S')
            || (matches!(mark, 'B' | 'I') && matches!(next_mark, 'B' | 'S' | 'O'))
            || (mark != 'O' && changes);
        let begins = matches!(next_mark, 'B' | 'S')
            || (matches!(mark, 'E' | 'S' | 'O') && matches!(next_mark, 'E' | 'I'))
            || (next_mark != 'O' && changes);
        if ends {
            found.insert((begin, place - 1, kind));
        }
        if begins {
            begin = place;
        }
        (mark, kind) = (next_mark, next_kind);
        place += 1;
    }
    found
}

fn strict<'a>(labels: impl IntoIterator<Item = &'a str>, with_ends: bool) -> BTreeSet<Entity<'a>> {
    let mut found = BTreeSet::new();
    let mut open: Option<Entity<'a>> = None;
    for (place, label) in labels.into_iter().enumerate() {
        let (mark, kind) = parts(label);
        match (mark, &mut open) {
            ('I', Some((_, last, begun))) if *begun == kind => *last = place,
            ('E', Some((begin, _, begun))) if with_ends && *begun == kind => {
                found.insert((*begin, place, kind));
                open = None;
            }
            _ => {
                // Without its end an entity of IOBES is none.
                found.extend(open.take().filter(|_| !with_ends));
                open = (mark == 'B').then_some((place, place, kind));
                if with_ends && mark == 'S' {
                    found.insert((place, place, kind));
                }
            }
        }
    }
    found.extend(open.filter(|_| !with_ends));
    found
}

/// Entities counted by their type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// Of each type, in the order of their names.
    pub types: BTreeMap<String, ClassCounts>,
}

impl EntityCounts {
    /// Takes in one text.
    pub fn add<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = &'a str>,
        given: impl IntoIterator<Item = &'a str>,
        scheme: Scheme,
    ) {
        let (wanted, given) = (entities(wanted, scheme), entities(given, scheme));
        for entity @ (_, _, kind) in &wanted {
            let counts = self.of_type(kind);
            counts.wanted += 1;
            counts.right += usize::from(given.contains(entity));
        }
        for (_, _, kind) in &given {
            self.of_type(kind).given += 1;
        }
    }

    fn of_type(&mut self, kind: &str) -> &mut ClassCounts {
        if !self.types.contains_key(kind) {
            self.types.insert(kind.to_owned(), ClassCounts::default());
        }
        self.types.entry(kind.to_owned()).or_default()
    }

    /// All entities together: what is reported as entity F1.
    pub fn all(&self) -> ClassCounts {
        ClassCounts::sum(self.types.values().copied())
    }

    /// Mean of the types' F1.
    pub fn macro_f1(&self) -> f64 {
        macro_f1(&self.types.values().copied().collect::<Vec<_>>())
    }

    /// Mean of the types' F1, each as often as it is there.
    pub fn weighted_f1(&self) -> f64 {
        let wanted = self.all().wanted.max(1) as f64;
        self.types.values().map(|of| of.wanted as f64 * of.f1()).sum::<f64>() / wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn entities_are_those_of_seqeval_in_each_mode() {
        let cases = other()["entities"].as_array().unwrap().clone();
        assert!(cases.len() >= 6);
        for case in cases {
            let scheme = match case["scheme"].as_str().unwrap() {
                "default" => Scheme::Conlleval,
                "IOB2" => Scheme::Iob2,
                _ => Scheme::Iobes,
            };
            let tags = |key: &str| -> Vec<Vec<String>> { serde_json::from_value(case[key].clone()).unwrap() };
            let mut counts = EntityCounts::default();
            for (wanted, given) in tags("labels").iter().zip(&tags("predictions")) {
                counts.add(wanted.iter().map(String::as_str), given.iter().map(String::as_str), scheme);
            }
            let all = counts.all();
            close(all.precision(), &case["precision"], "precision");
            close(all.recall(), &case["recall"], "recall");
            close(all.f1(), &case["f1"], "f1");
            close(counts.macro_f1(), &case["macro_f1"], "macro");
            close(counts.weighted_f1(), &case["weighted_f1"], "weighted");
        }
    }

    #[test]
    fn an_inside_out_of_nothing_is_an_entity_for_conlleval_alone() {
        let labels = ["O", "I-x", "I-x", "O"];
        assert_eq!(entities(labels, Scheme::Conlleval), BTreeSet::from([(1, 2, "x")]));
        assert!(entities(labels, Scheme::Iob2).is_empty() && entities(labels, Scheme::Iobes).is_empty());
        assert!(entities(["B-x", "I-x"], Scheme::Iobes).is_empty(), "an entity of IOBES has an end");
    }

    #[test]
    fn a_label_that_is_none_is_outside() {
        assert_eq!(entities(["B-x", "Index", "B"], Scheme::Iob2), BTreeSet::from([(0, 0, "x"), (2, 2, "_")]));
        assert!(entities(["", "other", "-"], Scheme::Conlleval).is_empty());
    }
}
