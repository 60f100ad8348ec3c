//! The training rows of a run: in memory, or read from a file of encoded rows when they are needed.

use std::sync::Arc;

use rayon::prelude::*;

use super::encode::Example;
use super::store::Store;
use crate::config::Task;
use crate::error::Result;

/// Bytes of rows that one thread reads at once.
const PART: u64 = 4 << 20;

/// Rows in an order of their own.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// In memory.
    Held(Vec<Example>),
    Stored(Stored),
}

/// Rows of a file.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    store: Arc<Store>,
    picked: Picked,
    /// Rows; those of a smaller dataset come several times.
    n: usize,
    change: Change,
}

/// Rows of a file that are meant.
#[derive(Clone, Debug)]
pub(super) enum Picked {
    /// All but these, which are sorted.
    Except(Vec<u32>),
    /// These.
    Only(Vec<u32>),
}

/// Changes to rows behind their encoding, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// Number of each task among those of the run.
    pub(super) tasks: Option<Vec<usize>>,
    pub(super) dataset: usize,
    /// Number of the dataset's first class among those of the run.
    pub(super) first_class: i32,
    pub(super) before: Option<Before>,
    /// Soft tokens of a task, where each has its own.
    pub(super) n_soft_of_task: Option<usize>,
    pub(super) drops_soft: bool,
}

/// What a method has before rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) tokens: Vec<u32>,
    /// What begins every text.
    pub(super) begin: Vec<u32>,
    pub(super) task: Task,
}

impl Change {
    fn apply(&self, row: &mut Example) {
        if let Some(tasks) = &self.tasks {
            row.task = tasks.get(row.task).copied().unwrap_or(row.task);
        }
        if self.dataset > 0 {
            row.dataset = self.dataset;
        }
        if self.first_class != 0 {
            row.labels.iter_mut().for_each(|(_, class)| *class += self.first_class);
        }
        if let Some(Before { tokens, begin, task }) = &self.before
            && row.n_soft() == 0
        {
            row.begin_with(tokens, begin, *task);
        }
        if let Some(n_soft) = self.n_soft_of_task {
            row.take_task(n_soft);
        }
        if self.drops_soft {
            row.drop_soft();
        }
    }
}

impl Stored {
    pub(super) fn new(store: Arc<Store>, picked: Picked) -> Self {
        let n = match &picked {
            Picked::Except(others) => store.len() - others.len(),
            Picked::Only(rows) => rows.len(),
        };
        Self { store, picked, n, change: Change::default() }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The place in the file of a row.
    pub(super) fn place(&self, row: usize) -> usize {
        match &self.picked {
            Picked::Only(rows) => rows[row % rows.len()] as usize,
            Picked::Except(others) => {
                let row = row % (self.store.len() - others.len());
                // Rows before the place that are not meant: each moves it by one.
                let (mut low, mut high) = (0, others.len());
                while low < high {
                    let middle = low.midpoint(high);
                    match others[middle] as usize - middle <= row {
                        true => low = middle + 1,
                        false => high = middle,
                    }
                }
                row + low
            }
        }
    }

    fn length(&self, row: usize) -> usize {
        let place = self.place(row);
        let length = self.store.length(place);
        let soft = self.store.soft();
        match (soft.keys().next(), soft.len()) {
            (Some(0), 1) => length + self.change.before.as_ref().map_or(0, |before| before.tokens.len()),
            (Some(n_soft), 1) => length - if self.change.drops_soft { *n_soft } else { 0 },
            // Rows with soft tokens and without are read only to be scored, one dataset at a time.
            _ => self.row(row).map_or(length, |row| row.length()),
        }
    }

    fn row(&self, row: usize) -> Result<Example> {
        let mut example = self.store.row(self.place(row))?;
        self.change.apply(&mut example);
        Ok(example)
    }

    /// Whether a place of the file is meant.
    fn has(&self, place: usize) -> bool {
        let place = place as u32;
        match &self.picked {
            Picked::Only(rows) => rows.binary_search(&place).is_ok(),
            Picked::Except(others) => others.binary_search(&place).is_err(),
        }
    }

    /// Something of each row that is meant, as the file has it, gathered on all cores.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub(super) fn fold<T: Send + Default>(
        &self,
        each: impl Fn(&mut T, &Example) + Sync,
        join: impl Fn(T, T) -> T + Sync + Send,
    ) -> Result<T> {
        let parts = self.store.parts(PART);
        let one = |part: std::ops::Range<usize>| {
            let mut found = T::default();
            for (place, row) in part.clone().zip(self.store.rows(part)?) {
                if self.has(place) {
                    each(&mut found, &row);
                }
            }
            Ok(found)
        };
        parts.into_par_iter().map(one).try_reduce(T::default, |a, b| Ok(join(a, b)))
    }
}

impl Examples {
    pub(super) fn stored(rows: Stored) -> Self {
        Self { parts: vec![Part::Stored(rows)] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows, where they are in memory.
    pub fn held(&self) -> Option<&[Example]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Held(rows)] => Some(rows),
            _ => None,
        }
    }

    /// Tokens that a model goes over in a row.
    ///
    /// # Panics
    /// There is no such row.
    pub fn length(&self, row: usize) -> usize {
        let (part, row) = self.part(row);
        match part {
            Part::Held(rows) => rows[row].length(),
            Part::Stored(rows) => rows.length(row),
        }
    }

    /// A row.
    ///
    /// # Errors
    /// The file of rows cannot be read, or is not what was written.
    ///
    /// # Panics
    /// There is no such row.
    pub fn get(&self, row: usize) -> Result<Example> {
        let (part, row) = self.part(row);
        match part {
            Part::Held(rows) => Ok(rows[row].clone()),
            Part::Stored(rows) => rows.row(row),
        }
    }

    /// Some rows in an order of their own.
    ///
    /// # Errors
    /// As [`Examples::get`].
    pub fn read(&self, rows: impl IntoIterator<Item = usize>) -> Result<Vec<Example>> {
        rows.into_iter().map(|row| self.get(row)).collect()
    }

    /// All rows, one after another.
    pub fn iter(&self) -> impl Iterator<Item = Result<Example>> {
        (0..self.len()).map(|row| self.get(row))
    }

    fn part(&self, row: usize) -> (&Part, usize) {
        let mut row = row;
        for part in &self.parts {
            if row < part.len() {
                return (part, row);
            }
            row -= part.len();
        }
        panic!("row {row} is behind the last of {}", self.len());
    }

    /// Repeats the rows until there are as many.
    pub(super) fn repeated(self, n: usize) -> Self {
        let repeat = |part: Part| match part {
            Part::Held(rows) => Part::Held(rows.iter().cloned().cycle().take(n).collect()),
            Part::Stored(rows) => Part::Stored(Stored { n, ..rows }),
        };
        Self { parts: self.parts.into_iter().map(repeat).collect() }
    }

    /// Changes every row; what is said here of a change adds to what was said before.
    pub(super) fn change(&mut self, change: &impl Fn(&mut Change)) {
        for part in &mut self.parts {
            match part {
                Part::Held(rows) => {
                    let mut made = Change::default();
                    change(&mut made);
                    rows.iter_mut().for_each(|row| made.apply(row));
                }
                Part::Stored(rows) => change(&mut rows.change),
            }
        }
    }

    /// Puts the rows of another dataset behind these.
    pub(super) fn extend(&mut self, others: Self) {
        for part in others.parts {
            match (self.parts.last_mut(), part) {
                (Some(Part::Held(rows)), Part::Held(more)) => rows.extend(more),
                (_, part) => self.parts.push(part),
            }
        }
    }

    /// Of each number of soft tokens that rows have the number of a row, with that number of tokens.
    pub(super) fn soft(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for part in &self.parts {
            match part {
                Part::Held(rows) => {
                    for row in rows {
                        let n_soft = row.n_soft();
                        if !found.iter().any(|(_, known)| *known == n_soft) {
                            found.push((row.row, n_soft));
                        }
                    }
                }
                Part::Stored(rows) => {
                    let mut of_file: Vec<_> = rows.store.soft().iter().map(|(&n_soft, &row)| (row, n_soft)).collect();
                    of_file.sort_unstable();
                    found.extend(of_file);
                }
            }
        }
        found
    }

    /// Whether the answers of rows are looked for among candidates.
    pub fn is_ranked(&self) -> bool {
        let has = |part: &Part| matches!(part, Part::Held(rows) if rows.iter().any(|row| row.candidates.is_some()));
        self.parts.iter().any(has)
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Held(rows) => rows.len(),
            Self::Stored(rows) => rows.n,
        }
    }
}

impl From<Vec<Example>> for Examples {
    fn from(rows: Vec<Example>) -> Self {
        Self { parts: vec![Part::Held(rows)] }
    }
}

impl PartialEq for Examples {
    /// Whether all rows are equal; rows that cannot be read are not.
    fn eq(&self, other: &Self) -> bool {
        let equal = |(a, b): (Result<Example>, Result<Example>)| matches!((a, b), (Ok(a), Ok(b)) if a == b);
        self.len() == other.len() && self.iter().zip(other.iter()).all(equal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::RowWriter;
    use super::*;

    fn row(number: usize) -> Example {
        Example { row: number, tokens: vec![5; 1 + number % 7], n_prompt: 1, ..Example::default() }
    }

    fn stored(picked: Picked) -> Examples {
        let mut writer = RowWriter::new(&std::env::temp_dir()).unwrap();
        (0..20).for_each(|number| writer.push(&row(number), 0).unwrap());
        Examples::stored(Stored::new(Arc::new(writer.finish(None).unwrap().0), picked))
    }

    fn numbers(rows: &Examples) -> Vec<usize> {
        rows.iter().map(|row| row.unwrap().row).collect()
    }

    #[test]
    fn rows_that_are_not_meant_are_stepped_over() {
        for others in [vec![], vec![0], vec![19], vec![3, 4, 5, 11], (0..19).collect()] {
            let rows = stored(Picked::Except(others.clone()));
            let left: Vec<usize> = (0..20).filter(|row| !others.contains(&(*row as u32))).collect();
            assert_eq!(numbers(&rows), left, "{others:?}");
            assert_eq!((0..rows.len()).map(|at| rows.length(at)).sum::<usize>(), {
                left.iter().map(|&number| row(number).length()).sum::<usize>()
            });
        }
        assert_eq!(numbers(&stored(Picked::Only(vec![2, 7]))), [2, 7]);
    }

    #[test]
    fn what_is_done_to_rows_in_memory_is_done_to_those_in_a_file() {
        let done = |mut rows: Examples| {
            rows = rows.repeated(30);
            rows.change(&|change| (change.dataset, change.tasks) = (2, Some(vec![4])));
            rows.change(&|change| {
                change.before = Some(Before { tokens: vec![8, 9], begin: Vec::new(), task: Task::Causal });
            });
            rows
        };
        let (held, file) = (done((0..20).map(row).collect::<Vec<_>>().into()), done(stored(Picked::Except(vec![]))));
        assert!(held == file && held.held().is_some() && file.held().is_none());
        assert_eq!(numbers(&file)[19..22], [19, 0, 1]);
        assert!((0..30).all(|at| held.length(at) == file.length(at)));
        let mut joined = held.clone();
        joined.extend(file);
        assert_eq!((joined.len(), joined.get(30).unwrap()), (60, held.get(0).unwrap()));
    }
}
