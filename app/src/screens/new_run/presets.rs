//! What a paper decided, put into the form from elsewhere.

use engine::recipes::Recipe;

use super::form::RunForm;
use super::ui::{NewRun, first_form};
use crate::state::State;

impl NewRun {
    /// The recipes that the form can take.
    pub fn recipes(&self, state: &State) -> Vec<&'static Recipe> {
        self.typed(state).recipes().collect()
    }

    /// Fills in what a recipe decides.
    pub fn take_recipe(&mut self, name: &str, state: &State) {
        if let Some(recipe) = Recipe::named(name) {
            let mut form = self.typed(state);
            form.take_recipe(recipe);
            self.restore(form);
        }
    }

    fn typed(&self, state: &State) -> RunForm {
        self.form().cloned().unwrap_or_else(|| first_form(state))
    }
}
