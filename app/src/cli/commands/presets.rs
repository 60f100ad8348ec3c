//! `presets`: how papers and their code train, for `train --preset`.

use engine::recipes::{RECIPES, Recipe, RecipeDecoding};
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;

/// Lists them.
pub(in crate::cli) fn run(global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    for recipe in &RECIPES {
        let Recipe { name, title, source, form, note, decoding, metrics, .. } = recipe;
        if global.json {
            let fields = json!({
                "name": name, "title": title, "source": source, "form": form, "note": note,
                "settings": recipe.settings(), "decoding": decoding, "metrics": metrics,
            });
            out::result(json::named("preset", &fields));
        } else {
            out::result(format_args!("{name:22} {title}, for {}", form.sentence()));
            let note = note.map(|note| format!(" · {note}")).unwrap_or_default();
            out::result(format_args!("{:22} {source}{note}", ""));
            let ends: Vec<String> = decoding.iter().map(RecipeDecoding::in_short).chain([metrics.join(", ")]).collect();
            let ends: Vec<&str> = ends.iter().map(String::as_str).filter(|end| !end.is_empty()).collect();
            if !ends.is_empty() {
                out::result(format_args!("{:22} {}", "", ends.join(" · ")));
            }
        }
    }
    Ok(())
}
