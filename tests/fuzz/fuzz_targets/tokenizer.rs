//! A tokenizer's model file and a chat template that somebody sent.
#![no_main]

use engine::data::{Message, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (&[u8], &str)| {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tokenizer.model"), files.0).expect("a file");
    std::fs::write(folder.path().join("chat_template.jinja"), files.1).expect("a file");
    if let Ok(tokenizer) = Tokenizer::from_folder(folder.path()) {
        let _ = tokenizer.encode_with_special("a text");
        if let Some(template) = tokenizer.chat_template() {
            let _ = template.render(&[Message::user("a")], true);
        }
    }
});
