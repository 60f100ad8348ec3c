//! The starter set that comes with the program: a model, its rows, and runs that are ready.

use std::path::{Path, PathBuf};

use engine::config::{LoraConfig, MethodConfig, PrefixConfig, Reparameterization, RunConfig};
use engine::recipes::{Form, Scale, recommended_learning_rate};

use super::WorkspaceError;
use super::names::default_name;

/// Environment variable that names the folder of the starter set.
pub const ASSETS_VARIABLE: &str = "PREFIX_WORKBENCH_ASSETS";

/// The starter set's folder, which comes with the program so that the first minute works offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    /// Finds the folder: the environment, beside the program (or above it, in a checkout's `target`), the current
    /// folder, the checkout that the program was built in. It may still be missing; the questions below say so.
    pub fn locate() -> Self {
        if let Some(named) = std::env::var_os(ASSETS_VARIABLE).filter(|v| !v.is_empty()) {
            return Self { root: PathBuf::from(named) };
        }
        let beside = std::env::current_exe().ok();
        let above = beside.iter().flat_map(|exe| exe.ancestors().skip(1).take(4)).map(Path::to_owned);
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        let candidates = above.chain(std::env::current_dir().ok()).chain(built_in);
        let found = candidates.map(|folder| folder.join("assets")).find(|assets| assets.join("datasets").is_dir());
        Self { root: found.unwrap_or_else(|| PathBuf::from("assets")) }
    }

    /// The assets in a folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The starter model's folder.
    ///
    /// # Errors
    /// [`WorkspaceError::ModelMissing`] says where it was expected.
    pub fn model(&self) -> Result<PathBuf, WorkspaceError> {
        let path = self.root.join("models").join("starter");
        if path.join("config.json").is_file() { Ok(path) } else { Err(WorkspaceError::ModelMissing(path)) }
    }

    /// Training and validation file of a starter dataset: `records` or `zh_instructions`.
    ///
    /// # Errors
    /// [`WorkspaceError::ModelMissing`] says where it was expected.
    pub fn dataset(&self, name: &str) -> Result<(PathBuf, PathBuf), WorkspaceError> {
        let folder = self.root.join("datasets").join(name);
        let files = (folder.join("train.jsonl"), folder.join("validation.jsonl"));
        if files.0.is_file() && files.1.is_file() { Ok(files) } else { Err(WorkspaceError::DatasetMissing(files.0)) }
    }

    /// Prose that has nothing to do with any task, a text a line.
    ///
    /// # Errors
    /// [`WorkspaceError::DatasetMissing`] says where it was expected.
    pub fn neutral_text(&self) -> Result<PathBuf, WorkspaceError> {
        let path = self.root.join("datasets").join("neutral").join("text.txt");
        if path.is_file() { Ok(path) } else { Err(WorkspaceError::DatasetMissing(path)) }
    }

    /// The run that is ready when the program starts for the first time: starter model, starter dataset, defaults.
    ///
    /// # Errors
    /// An error when either is not there.
    pub fn starter_run(&self) -> Result<RunConfig, WorkspaceError> {
        let (train, validation) = self.dataset("records")?;
        let mut data = engine::config::DataConfig::new(train);
        data.validation = Some(validation);
        let mut config = RunConfig::new(self.model()?, data);
        // What teaches this model these rows fastest (assets/README.md).
        let reparameterization = Some(Reparameterization::default());
        config.method = MethodConfig::Prefix(PrefixConfig { reparameterization, ..PrefixConfig::default() });
        config.training.epochs = 5.0;
        config.training.schedule = engine::config::Schedule::Cosine;
        let form = Form::of(&config.method, config.task);
        config.training.learning_rate = recommended_learning_rate(form, &config.training.optimizer, Scale::Small);
        config.name = default_name(&config);
        Ok(config)
    }

    /// Other runs that are as ready: another method on the same rows, and Chinese rows.
    pub fn other_starters(&self) -> Vec<RunConfig> {
        let Ok(starter) = self.starter_run() else { return Vec::new() };
        let mut lora = RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..starter.clone() };
        let form = Form::of(&lora.method, lora.task);
        lora.training.learning_rate = recommended_learning_rate(form, &lora.training.optimizer, Scale::Small);
        let chinese = self.dataset("zh_instructions").ok().map(|(train, validation)| {
            let mut data = engine::config::DataConfig::new(train);
            data.validation = Some(validation);
            RunConfig { data, ..starter }
        });
        let named = |config: RunConfig| RunConfig { name: default_name(&config), ..config };
        [Some(lora), chinese].into_iter().flatten().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_starter_is_a_run_of_its_own_at_the_rate_that_suits_its_method() {
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let others = assets.other_starters();
        let mut names: Vec<&str> = others.iter().map(|config| config.name.as_str()).collect();
        let starter = assets.starter_run().unwrap();
        names.push(&starter.name);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!((starter.training.learning_rate, others[0].training.learning_rate), (4e-3, 4e-3));
        others.iter().for_each(|config| config.check().unwrap());
    }

    #[test]
    fn neutral_text_is_prose_in_both_languages_a_text_a_line() {
        let path = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets")).neutral_text().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let is_chinese = |line: &&str| line.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
        let (chinese, english): (Vec<&str>, Vec<&str>) = text.lines().partition(is_chinese);
        assert!(chinese.len() >= 20 && english.len() >= 20, "{} and {}", chinese.len(), english.len());
        assert!(text.lines().all(|line| line.chars().count() > 30 && line.trim() == line && !line.contains("||")));
    }

    #[test]
    fn missing_assets_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Assets::at(folder.path()).starter_run().unwrap_err();
        assert!(error.to_string().contains("the starter dataset is missing"));
    }
}
