//! The list of commands in the help, in groups by what one wants to do.

use clap::Command;

/// Commands in the order in which they are met.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Train",
        &[
            "train",
            "resume",
            "lr-find",
            "compare-inits",
            "experiment",
            "compare-methods",
            "presets",
            "self-study",
            "data",
        ],
    ),
    ("Use", &["generate", "evaluate", "score", "vote", "neighbors", "analyze"]),
    ("Keep and hand on", &["runs", "report", "import", "open", "export", "combine", "prune"]),
    ("Models and devices", &["download", "devices", "verify", "bench"]),
    ("Window", &["gui"]),
];

/// The command line with its commands grouped in the help.
pub(super) fn grouped(line: Command) -> Command {
    let about = |name: &str| line.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
    let width = GROUPS.iter().flat_map(|(_, names)| names.iter()).map(|name| name.len()).max().unwrap_or(0);
    let mut commands = String::new();
    for (title, names) in GROUPS {
        commands.push_str(&format!("\n{title}:\n"));
        for name in names {
            commands.push_str(&format!("  {name:width$}  {}\n", about(name).unwrap_or_default()));
        }
    }
    line.help_template(format!("{{about}}\n\n{{usage-heading}} {{usage}}\n{commands}\nOptions:\n{{options}}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Line;
    use super::*;

    #[test]
    fn every_command_is_in_a_group_but_what_only_the_program_itself_calls() {
        let mut line = grouped(Line::command());
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let shown = line.get_subcommands().filter(|command| !command.is_hide_set()).map(|c| c.get_name().to_owned());
        let mut shown: Vec<String> = shown.collect();
        let mut sorted: Vec<String> = listed.iter().map(|&name| name.to_owned()).collect();
        shown.sort();
        sorted.sort();
        assert_eq!(sorted, shown);
        let help = line.render_help().to_string();
        assert!(help.contains("Keep and hand on:\n  runs") && !help.contains("try-device"), "{help}");
        assert!(help.contains("--workspace") && help.contains("Train a run"), "{help}");
    }
}
