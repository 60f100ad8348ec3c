//! Where a report is written: program, system, processor, as far as the system says without being asked twice.

/// Names and values, in the order in which they are shown; the names are keys of words.
pub(super) fn surroundings() -> Vec<(&'static str, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("report.program", format!("Prefix Workbench {}", env!("CARGO_PKG_VERSION"))),
        ("report.system", system()),
        ("report.processor", processor()),
        ("report.threads", threads.to_string()),
    ]
}

fn system() -> String {
    let kind = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    match value_of(&release, "PRETTY_NAME", '=') {
        Some(name) => format!("{} ({kind})", name.trim_matches('"')),
        None => kind,
    }
}

fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = value_of(&known, "model name", ':').or_else(|| value_of(&known, "Model", ':'));
    named.map_or_else(|| std::env::consts::ARCH.to_owned(), str::to_owned)
}

/// What stands behind a name in lines of names and values.
fn value_of<'a>(text: &'a str, name: &str, between: char) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(between));
    let found = pairs.filter(|(known, _)| known.trim() == name).map(|(_, value)| value.trim());
    found.into_iter().find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_named_by_the_lines_it_gives() {
        let release = "ID=x\nPRETTY_NAME=\"Some Linux 12\"\n";
        assert_eq!(value_of(release, "PRETTY_NAME", '='), Some("\"Some Linux 12\""));
        assert_eq!(value_of("model name\t: A CPU @ 2 GHz\n", "model name", ':'), Some("A CPU @ 2 GHz"));
        assert_eq!(value_of("", "model name", ':'), None);
        assert!(surroundings().iter().all(|(_, value)| !value.is_empty()));
    }
}
