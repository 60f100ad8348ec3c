//! A page of ours: what each begins with (the head, the colors of both themes, tables, pictures), and then its own.

use minijinja::{Environment, Value, context};

use crate::charts::page_variables;
use crate::i18n::{Language, language};

const HEAD: &str = include_str!("head.html");

/// A page: our head, which ends within its style, then `body`, both filled from `page`. What is filled in is escaped.
pub(crate) fn page(body: &str, page: Value) -> String {
    let page = context! {
        language => if language() == Language::Chinese { "zh" } else { "en" },
        light => page_variables(false),
        dark => page_variables(true),
        ..page
    };
    let template = format!("{HEAD}{body}");
    let written = Environment::new().render_named_str("page.html", &template, page);
    written.expect("the template is part of the program and a test renders it")
}
