//! A prompt template that somebody sent, and what it computes: the budget ends it, whatever it asks for.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use engine::config::DataConfig;
use engine::data::{Templates, Tokenizer};
use libfuzzer_sys::fuzz_target;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/cases/gpt2-prefix-2x44/model");
    Tokenizer::from_folder(&model).expect("the tokenizer of a golden case")
});

fuzz_target!(|template: &str| {
    let config = DataConfig { prompt_template: template.to_owned(), ..DataConfig::new("") };
    if let Ok(templates) = Templates::new(&config) {
        let _ = templates.check_names(&["source".to_owned()]);
        let (source, columns) = ("a b, ".repeat(10_000), BTreeMap::new());
        if let Ok(text) = templates.prompt_for_source(&source, &columns, &TOKENIZER) {
            assert!(text.len() <= 4 << 20);
        }
    }
});
