//! Names of classes: the datasets library keeps numbers in its columns and their names beside the schema, as JSON of its
//! features. Forms as in huggingface/datasets: src/datasets/features/features.py.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The numbers of a value that stand for names, by where they are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Classes {
    /// No number stands for a name.
    #[default]
    None,
    /// The number of each name.
    Names(Vec<String>),
    /// In each entry of a list.
    Each(Box<Classes>),
    /// In fields of an object.
    Within(BTreeMap<String, Classes>),
}

impl Classes {
    /// From the features of a dataset, a description for each column.
    pub(super) fn of_features(features: &Value) -> Self {
        match features.as_object() {
            Some(fields) => Self::of_fields(fields),
            None => Self::None,
        }
    }

    /// From the text that the library puts into a schema's metadata under `huggingface`.
    pub(super) fn of_metadata(text: &str) -> Self {
        let features = serde_json::from_str::<Value>(text).ok();
        let features = features.as_ref().and_then(|value| value.pointer("/info/features"));
        features.map(Self::of_features).unwrap_or_default()
    }

    /// Whether no number anywhere stands for a name.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Those of a field of an object.
    pub(super) fn of(&self, field: &str) -> &Self {
        match self {
            Self::Within(fields) => fields.get(field).unwrap_or(&Self::None),
            _ => &Self::None,
        }
    }

    /// Those of the entries of a list.
    pub(super) fn each(&self) -> &Self {
        match self {
            Self::Each(each) => each,
            _ => &Self::None,
        }
    }

    /// The name of a number; nothing for the -1 of a row without a label, and the number itself where it has no name.
    pub(super) fn named(&self, value: Value) -> Value {
        let Self::Names(names) = self else { return value };
        match value.as_i64() {
            Some(-1) => Value::Null,
            Some(number) => match usize::try_from(number).ok().and_then(|number| names.get(number)) {
                Some(name) => Value::String(name.clone()),
                None => value,
            },
            None => value,
        }
    }

    fn of_fields(fields: &Map<String, Value>) -> Self {
        let known = fields.iter().map(|(name, feature)| (name.clone(), Self::of_feature(feature)));
        let known: BTreeMap<String, Self> = known.filter(|(_, classes)| !classes.is_none()).collect();
        if known.is_empty() { Self::None } else { Self::Within(known) }
    }

    fn of_feature(feature: &Value) -> Self {
        match feature {
            Value::Array(one) => one.first().map(Self::of_feature).unwrap_or_default().in_list(),
            Value::Object(object) => match object.get("_type").and_then(Value::as_str) {
                None => Self::of_fields(object),
                Some("ClassLabel") => names(object),
                Some(_) => object.get("feature").map(Self::of_entries).unwrap_or_default(),
            },
            _ => Self::None,
        }
    }

    /// Of the feature of a list's entries. A list of objects without a type is kept as an object of lists.
    fn of_entries(feature: &Value) -> Self {
        match feature.as_object() {
            Some(fields) if !fields.get("_type").is_some_and(Value::is_string) => match Self::of_fields(fields) {
                Self::Within(fields) => {
                    Self::Within(fields.into_iter().map(|(name, classes)| (name, classes.in_list())).collect())
                }
                other => other,
            },
            _ => Self::of_feature(feature).in_list(),
        }
    }

    fn in_list(self) -> Self {
        if self.is_none() { self } else { Self::Each(Box::new(self)) }
    }
}

/// A list of names, or an object with a name for each number.
fn names(class_label: &Map<String, Value>) -> Classes {
    let texts = match class_label.get("names") {
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Some(Value::Object(names)) => {
            (0..names.len()).map(|at| names.get(&at.to_string())?.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    };
    texts.filter(|names: &Vec<String>| !names.is_empty()).map_or(Classes::None, Classes::Names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_at_any_depth_in_each_form_of_a_list() {
        let label = json!({"names": ["no", "yes"], "_type": "ClassLabel"});
        let features = json!({
            "text": {"dtype": "string", "_type": "Value"},
            "label": label,
            "by_number": {"names": {"0": "no", "1": "yes"}, "_type": "ClassLabel"},
            "tags": {"feature": label, "_type": "Sequence"},
            "new_tags": {"feature": label, "_type": "List"},
            "old_tags": [label],
            "of_lists": {"feature": {"tag": label, "text": {"_type": "Value"}}, "_type": "Sequence"},
            "inner": {"label": label},
        });
        let classes = Classes::of_metadata(&json!({"info": {"features": features}}).to_string());
        let yes = |classes: &Classes| assert_eq!(classes.named(json!(1)), json!("yes"), "{classes:?}");
        for column in ["label", "by_number"] {
            yes(classes.of(column));
        }
        for column in ["tags", "new_tags", "old_tags"] {
            yes(classes.of(column).each());
        }
        yes(classes.of("of_lists").of("tag").each());
        yes(classes.of("inner").of("label"));
        assert!(classes.of("text").is_none() && classes.of("other").is_none());
        let label = classes.of("label");
        assert_eq!((label.named(json!(-1)), label.named(json!(7))), (Value::Null, json!(7)));
        assert!(Classes::of_metadata("no JSON").is_none());
    }
}
