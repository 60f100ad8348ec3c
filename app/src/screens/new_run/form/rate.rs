//! Settings that nobody typed follow what was chosen: the learning rate, and all that a recipe decides.

use engine::recipes::{Form, RECIPES, Recipe, Scale, recommended_learning_rate};

use super::{LengthUnit, RunForm, WarmUp};

impl RunForm {
    /// The learning rate that suits method, optimizer and model.
    pub fn usual_rate(&self) -> f64 {
        let kind = Form::of(&self.method(0), self.config.task);
        recommended_learning_rate(kind, &self.config.training.optimizer, self.scale.unwrap_or_default())
    }

    /// The learning rate follows method, optimizer and model until the user types one.
    pub fn follow_method(&mut self) {
        self.scale.get_or_insert_default();
        if !self.rate_edited {
            self.text.learning_rate = crate::format::scientific(self.usual_rate());
        }
    }

    /// The model's size has become known. What was filled in for a model of that size stays; in place of another model the
    /// rate follows.
    pub fn know_scale(&mut self, scale: Scale) {
        match self.scale.replace(scale) {
            Some(before) if before != scale => self.follow_method(),
            Some(_) => {}
            None => self.rate_edited |= !self.has_usual_rate(),
        }
    }

    fn has_usual_rate(&self) -> bool {
        self.text.learning_rate.trim().parse::<f64>().is_ok_and(|rate| (rate - self.usual_rate()).abs() < 1e-12)
    }

    /// The recipes that the method can take.
    pub fn recipes(&self) -> impl Iterator<Item = &'static Recipe> {
        let method = self.method(0);
        RECIPES.iter().filter(move |recipe| recipe.fits(&method, self.config.task))
    }

    /// The recipe that is in force, if it is one.
    pub fn recipe(&self) -> Option<&'static Recipe> {
        let rate = self.text.learning_rate.trim().parse::<f64>().ok()?;
        let (method, training) = (self.method(0), self.training_config(rate));
        self.recipes().find(|recipe| {
            let (mut with_method, mut with_training) = (method.clone(), training.clone());
            let applied = recipe.apply(&mut with_method, self.config.task, &mut with_training);
            applied.is_ok() && (&with_method, &with_training) == (&method, &training)
        })
    }

    /// Fills in what a recipe decides.
    pub fn take_recipe(&mut self, recipe: &Recipe) {
        let (mut method, mut training) = (self.method(0), self.training_config(self.usual_rate()));
        if recipe.apply(&mut method, self.config.task, &mut training).is_err() {
            return;
        }
        self.tuning.take(&method);
        if let Some(data) = &recipe.data {
            let mine = &mut self.config.data;
            mine.source_column = Some(data.source_column.to_owned());
            mine.target_column = Some(data.target_column.to_owned());
            data.prompt_template.clone_into(&mut mine.prompt_template);
            data.target_template.clone_into(&mut mine.target_template);
            mine.append_end_token = data.append_end_token;
            mine.truncate = data.truncate;
            self.memory.max_tokens.set(Some(data.max_tokens));
        }
        self.memory.length_unit = LengthUnit::of(&training);
        self.memory.warm_up = WarmUp::of(&training);
        self.memory.max_grad_norm.set(training.max_grad_norm);
        self.text.learning_rate = crate::format::scientific(training.learning_rate);
        self.config.training = training;
        self.config.generation = recipe.sampling(&self.config.generation);
        // What the recipe decides stands in the rows.
        self.further.clear();
        self.rate_edited = !self.has_usual_rate();
    }
}
