//! The figure of an evaluation that stands for all of them.

use engine::training::ClassificationMetrics;

use crate::t;

/// Its name and its value: F1 of entities, a correlation of numbers, else the accuracy.
pub(super) fn main_figure(figures: &ClassificationMetrics) -> (&'static str, String) {
    match (figures.entity_f1, &figures.regression) {
        (Some(share), _) => (t!("training.entity_f1"), percent(share)),
        (None, Some(numbers)) => (t!("training.pearson"), format!("{:.3}", numbers.pearson)),
        (None, None) => (t!("training.accuracy"), told(figures)),
    }
}

/// The value that is told of each of several datasets: the accuracy, or a correlation of numbers.
pub(super) fn told(figures: &ClassificationMetrics) -> String {
    match (figures.accuracy, &figures.regression) {
        (Some(share), _) => percent(share),
        (None, Some(numbers)) => format!("{:.3}", numbers.pearson),
        (None, None) => "–".to_owned(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use engine::training::RegressionMetrics;

    use super::*;

    #[test]
    fn numbers_are_told_by_their_correlation() {
        let classes = ClassificationMetrics { accuracy: Some(0.5), ..ClassificationMetrics::default() };
        let entities = ClassificationMetrics { entity_f1: Some(0.25), ..classes.clone() };
        let numbers = RegressionMetrics { pearson: 0.9, spearman: 0.8, mse: 0.7 };
        let numbers = ClassificationMetrics { regression: Some(Box::new(numbers)), ..ClassificationMetrics::default() };
        assert_eq!((main_figure(&classes).1, told(&classes)), ("50.0 %".to_owned(), "50.0 %".to_owned()));
        assert_eq!((main_figure(&entities).1, told(&entities)), ("25.0 %".to_owned(), "50.0 %".to_owned()));
        assert_eq!((main_figure(&numbers).1, told(&numbers)), ("0.900".to_owned(), "0.900".to_owned()));
    }
}
