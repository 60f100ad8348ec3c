//! The chat template of a model that somebody sent, and what it computes of a conversation.
#![no_main]

use std::path::Path;

use engine::data::{Message, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|template: &str| {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/cases/gpt2-prefix-2x44/model");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["tokenizer.json", "tokenizer_config.json", "config.json"] {
        if let Ok(bytes) = std::fs::read(model.join(name)) {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
    }
    std::fs::write(folder.path().join("chat_template.jinja"), template).expect("a file");
    let Ok(tokenizer) = Tokenizer::from_folder(folder.path()) else { return };
    if let Some(chat) = tokenizer.chat_template() {
        let turns = [Message::user("a b, ".repeat(1000)), Message::assistant("c")];
        let _ = chat.render(&turns, true);
    }
});
