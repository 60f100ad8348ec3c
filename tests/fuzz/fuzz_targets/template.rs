//! A prompt template that somebody sent.
#![no_main]

use engine::config::DataConfig;
use engine::data::Templates;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|template: &str| {
    let config = DataConfig { prompt_template: template.to_owned(), ..DataConfig::new("") };
    if let Ok(templates) = Templates::new(&config) {
        let _ = templates.check_names(&["source".to_owned()]);
    }
});
