//! Triples of a subject, a property and an object as one text, as the papers on WebNLG and DART write them:
//! `subject : property : object | …`. Li & Liang 2021; XiangLi1999/PrefixTuning:
//! transformers/src/transformers/data/datasets/language_modeling.py. The bar before the first triple of its training text
//! is left out, as microsoft/LoRA does: examples/NLG/src/format_converting_webnlg.py.

use serde_json::Value;

/// Subject, property, object.
pub(super) type Triple = [String; 3];

/// The triples as one text.
pub(super) fn linear(triples: &[Triple]) -> String {
    triples.iter().map(|triple| triple.join(" : ")).collect::<Vec<_>>().join(" | ")
}

/// The triples as a list of lists.
pub(super) fn listed(triples: &[Triple]) -> Value {
    triples.iter().map(|triple| Value::from(triple.to_vec())).collect()
}

/// A triple that is a list of three texts, an object of subject, property and object, or one text `s | p | o`.
pub(super) fn triple(value: &Value) -> Option<Triple> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(parts) => {
            let [subject, property, object] = parts.as_slice() else { return None };
            Some([text(subject)?, text(property)?, text(object)?])
        }
        Value::Object(parts) => {
            let property = parts.get("property").or_else(|| parts.get("predicate"))?;
            Some([text(parts.get("subject")?)?, text(property)?, text(parts.get("object")?)?])
        }
        Value::String(line) => of_line(line),
        _ => None,
    }
}

/// `subject | property | object`; the object may have bars of its own.
pub(super) fn of_line(line: &str) -> Option<Triple> {
    let mut parts = line.splitn(3, " | ").map(|part| part.trim().to_owned());
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_triple_is_read_in_each_of_its_forms() {
        let wanted = ["Bread", "ingredient", "Flour"].map(str::to_owned);
        for value in [
            json!(["Bread", "ingredient", "Flour"]),
            json!({"object": "Flour", "property": "ingredient", "subject": "Bread"}),
            json!("Bread | ingredient | Flour"),
        ] {
            assert_eq!(triple(&value), Some(wanted.clone()), "{value}");
        }
        assert_eq!(linear(&[wanted.clone(), wanted]), "Bread : ingredient : Flour | Bread : ingredient : Flour");
        for value in [json!(["a", "b"]), json!({"subject": "a"}), json!("a | b"), json!(1), json!([[], "b", "c"])] {
            assert_eq!(triple(&value), None, "{value}");
        }
    }
}
