//! The screens: each reads `&State` and returns actions; it keeps only what is being typed.

pub mod new_run;
