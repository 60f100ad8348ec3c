//! Figures of predicted classes, as scikit-learn computes them: `sklearn.metrics.{accuracy_score, f1_score,
//! precision_recall_fscore_support, confusion_matrix, matthews_corrcoef, balanced_accuracy_score}`. Where a denominator
//! is zero the figure is 0.

/// Counts of one class over all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Rows of this class that were predicted to be of it.
    pub right: usize,
    /// Rows of this class.
    pub wanted: usize,
    /// Rows that were predicted to be of this class.
    pub given: usize,
}

impl ClassCounts {
    /// Share of the predictions of this class that are right.
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.given.max(1) as f64
    }

    /// Share of the rows of this class that were found.
    pub fn recall(&self) -> f64 {
        self.right as f64 / self.wanted.max(1) as f64
    }

    /// The harmonic mean of precision and recall; 0 when nothing is right.
    pub fn f1(&self) -> f64 {
        2.0 * self.right as f64 / ((self.wanted + self.given).max(1)) as f64
    }

    /// Counts of several classes, or of parts of the rows, together.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, c| Self {
            right: sum.right + c.right,
            wanted: sum.wanted + c.wanted,
            given: sum.given + c.given,
        })
    }

    /// Whether the class is there, or was predicted.
    pub fn is_seen(&self) -> bool {
        self.wanted + self.given > 0
    }
}

/// Labels and predictions, counted by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    /// Of each class.
    pub classes: Vec<ClassCounts>,
    /// Rows.
    pub rows: usize,
    /// Rows whose prediction is their label.
    pub right: usize,
}

impl Classification {
    /// Counts pairs of label and prediction; a class beyond `n_classes` counts as a row alone.
    pub fn of(pairs: impl IntoIterator<Item = (usize, usize)>, n_classes: usize) -> Self {
        let mut counted = Self { classes: vec![ClassCounts::default(); n_classes], rows: 0, right: 0 };
        pairs.into_iter().for_each(|(label, guess)| counted.add(label, guess));
        counted
    }

    /// Counts one more pair of label and prediction.
    pub fn add(&mut self, label: usize, guess: usize) {
        self.rows += 1;
        self.right += usize::from(label == guess);
        if let Some(class) = self.classes.get_mut(label) {
            class.wanted += 1;
            class.right += usize::from(label == guess);
        }
        if let Some(class) = self.classes.get_mut(guess) {
            class.given += 1;
        }
    }

    /// Share of the rows that are right.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.rows.max(1) as f64
    }

    /// Mean of the F1 of the classes that are there or were predicted.
    pub fn macro_f1(&self) -> f64 {
        macro_f1(&self.classes)
    }

    /// F1 over all classes together; without any left out it is the accuracy.
    pub fn micro_f1(&self) -> f64 {
        ClassCounts::sum(self.classes.iter().copied()).f1()
    }

    /// Mean of the classes' F1, each as often as it is there.
    pub fn weighted_f1(&self) -> f64 {
        let wanted: usize = self.classes.iter().map(|class| class.wanted).sum();
        self.classes.iter().map(|class| class.wanted as f64 * class.f1()).sum::<f64>() / wanted.max(1) as f64
    }

    /// Mean recall of the classes that are there.
    pub fn balanced_accuracy(&self) -> f64 {
        let there = self.classes.iter().filter(|class| class.wanted > 0);
        let (n, sum) = there.fold((0_usize, 0.0), |(n, sum), class| (n + 1, sum + class.recall()));
        sum / n.max(1) as f64
    }

    /// Matthews' correlation of labels and predictions over any number of classes (Gorodkin 2004), −1 to 1; 0 where either
    /// is always the same.
    pub fn matthews(&self) -> f64 {
        let rows = self.rows as f64;
        let over = |of: &dyn Fn(&ClassCounts) -> f64| self.classes.iter().map(of).sum::<f64>();
        let both = over(&|class| class.wanted as f64 * class.given as f64);
        let wanted = rows * rows - over(&|class| (class.wanted as f64).powi(2));
        let given = rows * rows - over(&|class| (class.given as f64).powi(2));
        let spread = (wanted * given).sqrt();
        if spread > 0.0 { (self.right as f64 * rows - both) / spread } else { 0.0 }
    }
}

/// Mean of the F1 of the classes that are there or were predicted.
pub fn macro_f1(classes: &[ClassCounts]) -> f64 {
    let seen = classes.iter().filter(|class| class.is_seen());
    let (n, sum) = seen.fold((0_usize, 0.0), |(n, sum), class| (n + 1, sum + class.f1()));
    sum / n.max(1) as f64
}

/// Rows by label and prediction, `[n_classes][n_classes]`, a line for each label.
pub fn confusion(pairs: impl IntoIterator<Item = (usize, usize)>, n_classes: usize) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; n_classes]; n_classes];
    for (label, guess) in pairs {
        if let Some(cell) = table.get_mut(label).and_then(|line| line.get_mut(guess)) {
            *cell += 1;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn every_figure_is_that_of_scikit_learn() {
        let cases = other()["classification"].as_array().unwrap().clone();
        assert!(cases.len() >= 5);
        for case in cases {
            let ids = |key: &str| -> Vec<usize> { serde_json::from_value(case[key].clone()).unwrap() };
            let n_classes = case["n_classes"].as_u64().unwrap() as usize;
            let pairs: Vec<(usize, usize)> = ids("labels").into_iter().zip(ids("predictions")).collect();
            let of = Classification::of(pairs.iter().copied(), n_classes);
            for (name, figure) in [
                ("accuracy", of.accuracy()),
                ("macro_f1", of.macro_f1()),
                ("micro_f1", of.micro_f1()),
                ("weighted_f1", of.weighted_f1()),
                ("balanced_accuracy", of.balanced_accuracy()),
                ("matthews", of.matthews()),
            ] {
                close(figure, &case[name], name);
            }
            for (class, counts) in of.classes.iter().enumerate() {
                close(counts.precision(), &case["precision"][class], "precision");
                close(counts.recall(), &case["recall"][class], "recall");
                close(counts.f1(), &case["f1"][class], "f1");
            }
            let table: Vec<Vec<usize>> = serde_json::from_value(case["confusion"].clone()).unwrap();
            assert_eq!(confusion(pairs, n_classes), table);
        }
    }

    #[test]
    fn nothing_predicted_is_zero_and_no_division() {
        let of = Classification::of([], 3);
        assert_eq!((of.accuracy(), of.macro_f1(), of.matthews(), of.balanced_accuracy()), (0.0, 0.0, 0.0, 0.0));
    }
}
