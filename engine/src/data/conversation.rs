//! Rows that hold conversations, in the forms in which these are handed on: a list of turns (`messages` of OpenAI and TRL,
//! `conversations` of ShareGPT), or a `history` beside a prompt and its response (ChatGLM, LLaMA-Factory).
//!
//! A list of turns gives a row for each answer in it. What was said before the question of a row is kept in its place and
//! becomes turns of the model's chat template, or what a prompt template makes of it.

use serde_json::{Value, json};

use super::columns::{Roles, is_usual_target};
use super::prompts::Prompts;
use super::table::{Row, Table};
use super::tokenizer::{Message, Tokenizer};
use crate::config::{DEFAULT_PROMPT_TEMPLATE, DataConfig, LearnedTurns, Task};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Rows by which a column is known.
const PROBE: usize = 20;
/// More turns than this are no conversation: each answer is a row with all that was said before it.
const MAX_TURNS: usize = 2000;
/// A template that writes a conversation.
const TURNS: &str = "{% for turn in turns %}{{ turn.role }}: {{ turn.content }} {% endfor %}assistant:";
/// Usual names of a column with lists of turns, the surest first.
const LISTS: [&str; 8] = ["messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat", "对话"];
/// Name that a template has for the turns before an answer, its question among them.
pub(super) const ROLE: &str = "turns";
/// Names of a column with earlier questions and answers.
const HISTORIES: [&str; 3] = ["history", "histories", "历史"];
/// Names of a column with what is said to the model before a conversation.
const SYSTEMS: [&str; 3] = ["system", "system_prompt", "系统"];

/// The columns in which the turns before a row's source are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Earlier {
    system: Option<usize>,
    pub(super) history: Option<usize>,
}

impl Earlier {
    /// The turns before the source of a row.
    ///
    /// # Errors
    /// A sentence on the turn that cannot be read.
    pub(super) fn of(&self, row: &Row) -> Result<Vec<Message>, Sentence> {
        let history = self.history.map_or(Ok(Vec::new()), |column| earlier_turns(row.cell(column)))?;
        let system = self.system.map(|column| row.text(column)).filter(|text| !text.trim().is_empty());
        let system = system.filter(|_| history.first().is_none_or(|turn| turn.role != "system"));
        let system = system.map(|text| Message { role: "system".to_owned(), content: text.into_owned() });
        Ok(system.into_iter().chain(history).collect())
    }

    /// Whether the turns are in a column.
    pub(super) fn is_in(&self, column: usize) -> bool {
        self.history == Some(column)
    }

    /// The columns it is made of.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.system.into_iter().chain(self.history)
    }
}

/// The table with a row for each answer, where its rows hold conversations; `asked` are the columns that the configuration
/// names as source and target. Other tables only learn where their turns are.
///
/// # Errors
/// [`EngineError::Setting`] for rows that are pairs of a chosen and a rejected answer.
pub(super) fn unfolded(table: Table, asked: [Option<&str>; 2], learned: LearnedTurns, task: Task) -> Result<Table> {
    // The rows of a form of its own are no conversations.
    if !task.writes() || table.roles.is_some() {
        return Ok(table);
    }
    match list_of_turns(&table, asked)? {
        Some(column) => Ok(by_answers(table, column, learned)),
        None => {
            let history = named(&table, &HISTORIES).filter(|&column| is_history(&table, column));
            let system = named(&table, &SYSTEMS);
            Ok(Table { earlier: Earlier { system, history }, ..table })
        }
    }
}

/// More rows of a file, unfolded as its first ones were.
pub(super) fn unfolded_as(table: Table, first: &Table, learned: LearnedTurns) -> Table {
    match (&first.roles, first.earlier.history) {
        (Some(_), Some(column)) => by_answers(table, column, learned),
        _ => Table { earlier: first.earlier.clone(), ..table },
    }
}

/// Whether the rows are written as turns of the model's chat template: as the configuration says, and also where they
/// are conversations and no template of the run's own says how to write them.
pub(super) fn is_chat(config: &DataConfig, table: &Table, task: Task, tokenizer: &Tokenizer) -> bool {
    let is_conversation = (table.roles.is_some() && table.earlier.history.is_some()) || has_earlier_turns(table);
    config.chat
        || (is_conversation
            && task == Task::Causal
            && tokenizer.chat_template().is_some()
            && config.prompt_template == DEFAULT_PROMPT_TEMPLATE)
}

/// Refuses rows whose earlier turns nothing would read.
///
/// # Errors
/// [`EngineError::Setting`] with a template that reads them.
pub(super) fn check_read(table: &Table, prompts: &Prompts, tokenizer: &Tokenizer) -> Result<()> {
    let reads_turns =
        table.column(ROLE).is_none_or(|column| table.earlier.is_in(column)) && prompts.templates.prompt_reads(ROLE);
    if reads_turns && prompts.has_chat() {
        let reason = sentence!("it writes turns, and data.chat = true does that too; leave one of them out");
        return Err(EngineError::Setting { field: "data.prompt_template", reason });
    }
    let Some(column) = table.earlier.history.filter(|_| has_earlier_turns(table)) else { return Ok(()) };
    let name = &table.columns[column];
    if reads_turns || prompts.has_chat() || prompts.templates.reads(name) {
        return Ok(());
    }
    let why = match tokenizer.chat_template() {
        Some(_) if !prompts.is_source() => sentence!("data.chat = true writes them as the model's chat template does"),
        _ => sentence!("the model has no chat template that would write them"),
    };
    let reason = sentence!(
        "it does not read what was said before the question of a row ({name:?}); {why}. A template that reads it is: {template}",
        name,
        why,
        template = TURNS
    );
    Err(EngineError::Setting { field: "data.prompt_template", reason })
}

/// The column with lists of turns that is to be learned from.
fn list_of_turns(table: &Table, [source, target]: [Option<&str>; 2]) -> Result<Option<usize>> {
    let columns: Vec<usize> = (0..table.columns.len()).filter(|&column| is_list_of_turns(table, column)).collect();
    let is_asked = |column: usize, name: &str| {
        let own = &table.columns[column];
        name == own || name == question_of(own) || name == answer_of(own)
    };
    if let Some(target) = target {
        return Ok(columns.into_iter().find(|&column| is_asked(column, target)));
    }
    if let Some(source) = source {
        return Ok(columns.into_iter().find(|&column| is_asked(column, source)));
    }
    if table.column("chosen").is_some()
        && table.column("rejected").is_some()
        && !table.columns.iter().any(|name| is_usual_target(name))
    {
        let reason = sentence!(
            "the rows hold a chosen and a rejected answer, for learning from preferences; name the column \
                      chosen to learn these answers alone"
        )
        .to_owned();
        return Err(EngineError::Setting { field: "data.target_column", reason });
    }
    let usual =
        LISTS.iter().find_map(|name| columns.iter().copied().find(|&c| table.columns[c].eq_ignore_ascii_case(name)));
    Ok(usual.or_else(|| columns.first().copied().filter(|_| columns.len() == 1)))
}

fn question_of(column: &str) -> String {
    format!("{column}: question")
}

fn answer_of(column: &str) -> String {
    format!("{column}: answer")
}

/// A row for each answer; the column of the conversation then holds what was said before its question.
fn by_answers(table: Table, column: usize, learned: LearnedTurns) -> Table {
    let name = table.columns[column].clone();
    let system = named(&table, &SYSTEMS);
    let mut columns = table.columns;
    let n = columns.len();
    columns.extend([question_of(&name), answer_of(&name)]);
    let mut unfolded = Table { columns, rows: Vec::new(), ..table };
    let n_conversations = table.rows.len();
    for row in table.rows {
        match answers(row.cell(column)) {
            Ok(mut answers) => {
                if learned == LearnedTurns::Last {
                    answers.rows.drain(..answers.rows.len().saturating_sub(1));
                }
                if answers.unasked > 0 {
                    let reason = sentence!("{unasked} answers of it follow no question", unasked = answers.unasked);
                    unfolded.name_problem(row.number, reason);
                }
                unfolded.rows.extend(answers.rows.into_iter().map(|answer| answer.row(&row, column, n)));
            }
            Err(reason) => unfolded.name_problem(row.number, reason),
        }
    }
    let n_rows = unfolded.rows.len();
    unfolded.notes.push(note(&name, learned, n_rows, n_conversations));
    unfolded.roles = Some(Roles { source: vec![n], target: n + 1 });
    unfolded.earlier = Earlier { system, history: Some(column) };
    unfolded
}

/// The note on rows that are conversations.
pub(super) fn note(name: &str, learned: LearnedTurns, n_rows: usize, n_conversations: usize) -> Sentence {
    match learned {
        LearnedTurns::All => sentence!(
            "The rows are conversations ({name:?}): each answer in them is learned, with what was said before it; {n_rows} answers \
         in {n_conversations} conversations",
            name,
            n_rows,
            n_conversations
        ),
        LearnedTurns::Last => sentence!(
            "The rows are conversations ({name:?}): the last answer of each is learned, with what was said before it; {n_rows} answers in \
             {n_conversations} conversations",
            name,
            n_rows,
            n_conversations
        ),
    }
}

/// The answers of a conversation.
struct Answers {
    rows: Vec<Answer>,
    /// Number of answers that no question stands before.
    unasked: usize,
}

struct Answer {
    earlier: Vec<Message>,
    question: String,
    answer: String,
}

impl Answer {
    /// The row of the conversation as the row of this answer, whose new columns begin at `n`.
    fn row(self, row: &Row, column: usize, n: usize) -> Row {
        let mut cells: Vec<(usize, Value)> = row.cells().iter().filter(|(c, _)| *c != column).cloned().collect();
        let turn = |turn: Message| json!({"role": turn.role, "content": turn.content});
        cells.push((column, self.earlier.into_iter().map(turn).collect()));
        cells.push((n, self.question.into()));
        cells.push((n + 1, self.answer.into()));
        Row::new(row.number, cells)
    }
}

fn answers(cell: &Value) -> Result<Answers, Sentence> {
    let turns = cell.as_array().filter(|turns| !turns.is_empty()).ok_or(sentence!("its conversation is empty"))?;
    if turns.len() > MAX_TURNS {
        return Err(sentence!("its conversation has more than {max_turns} turns", max_turns = MAX_TURNS));
    }
    let mut said: Vec<Message> = Vec::new();
    let mut found = Answers { rows: Vec::new(), unasked: 0 };
    for value in turns {
        let turn = turn(value)?;
        // What OpenAI and Mistral do not train on.
        let is_learned = value.get("weight").and_then(Value::as_f64) != Some(0.0);
        if turn.role == "assistant" && is_learned && !turn.content.trim().is_empty() {
            match said.split_last() {
                Some((asked, earlier)) if asked.role == "user" => found.rows.push(Answer {
                    earlier: earlier.to_vec(),
                    question: asked.content.clone(),
                    answer: turn.content.clone(),
                }),
                _ => found.unasked += 1,
            }
        }
        said.push(turn);
    }
    match (found.rows.is_empty(), found.unasked) {
        (true, 0) => Err(sentence!("its conversation has no answer of the assistant")),
        _ => Ok(found),
    }
}

/// A turn in the words of OpenAI or of ShareGPT.
fn turn(value: &Value) -> Result<Message, Sentence> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| value.get(name));
    let role = field(["role", "from"]).and_then(Value::as_str).ok_or(sentence!("a turn does not say whose it is"))?;
    let role = match role.to_lowercase().as_str() {
        "user" | "human" | "prompter" => "user",
        "assistant" | "gpt" | "bot" | "chatgpt" | "bing" | "bard" | "model" => "assistant",
        "system" | "developer" => "system",
        "tool" | "function" | "observation" | "ipython" => "tool",
        other => {
            return Err(sentence!("a turn is of {other:?}, which is neither user, assistant, system nor tool", other));
        }
    };
    if value.get("tool_calls").is_some_and(|calls| !calls.is_null()) {
        return Err(sentence!("a turn calls tools, which is not read"));
    }
    let content = match field(["content", "value"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
            let texts: Option<Vec<String>> = parts.iter().map(text).collect();
            texts.ok_or(sentence!("a turn holds more than text"))?.concat()
        }
        _ => return Err(sentence!("a turn holds no text")),
    };
    Ok(Message { role: role.to_owned(), content })
}

/// Turns, or pairs of a question and its answer.
fn earlier_turns(cell: &Value) -> Result<Vec<Message>, Sentence> {
    let mut turns = Vec::new();
    for value in cell.as_array().into_iter().flatten() {
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(asked), Value::String(answered)]) => {
                turns.extend([Message::user(asked), Message::assistant(answered)]);
            }
            Some(_) => {
                return Err(sentence!("its history holds something else than pairs of a question and an answer"));
            }
            None => turns.push(turn(value)?),
        }
    }
    Ok(turns)
}

fn is_list_of_turns(table: &Table, column: usize) -> bool {
    let is_turn = |value: &Value| {
        let has = |names: [&str; 2]| names.iter().any(|name| value.get(name).is_some());
        has(["role", "from"]) && has(["content", "value"])
    };
    let mut cells = filled(table, column).take(PROBE).peekable();
    !HISTORIES.contains(&table.columns[column].as_str())
        && cells.peek().is_some()
        && cells.all(|cell| cell.as_array().is_some_and(|turns| turns.first().is_some_and(is_turn)))
}

fn is_history(table: &Table, column: usize) -> bool {
    filled(table, column).take(PROBE).all(|cell| earlier_turns(cell).is_ok_and(|turns| !turns.is_empty()))
}

fn has_earlier_turns(table: &Table) -> bool {
    table.earlier.history.is_some_and(|column| filled(table, column).next().is_some())
}

/// The cells of a column that hold something.
fn filled(table: &Table, column: usize) -> impl Iterator<Item = &Value> {
    table.rows.iter().filter(move |row| row.is_filled(column)).map(move |row| row.cell(column))
}

fn named(table: &Table, names: &[&str]) -> Option<usize> {
    table.columns.iter().position(|column| names.iter().any(|name| column.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::table::ObjectRows;
    use super::*;

    fn table(rows: &[Value]) -> Table {
        let mut objects = ObjectRows::new(Path::new("x.jsonl"));
        rows.iter().enumerate().for_each(|(at, row)| objects.push(at + 1, row.clone()).unwrap());
        objects.table
    }

    fn of(rows: &[Value]) -> Table {
        unfolded(table(rows), [None, None], LearnedTurns::All, Task::Causal).unwrap()
    }

    fn turns(table: &Table, row: usize) -> Vec<(String, String)> {
        let turns = table.earlier.of(&table.rows[row]).unwrap();
        turns.into_iter().map(|turn| (turn.role, turn.content)).collect()
    }

    fn pair(role: &str, content: &str) -> (String, String) {
        (role.to_owned(), content.to_owned())
    }

    #[test]
    fn a_conversation_gives_a_row_for_each_answer_with_what_was_said_before() {
        let openai = json!({"source": "wiki", "messages": [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "a?"},
            {"role": "assistant", "content": "b."}, {"role": "user", "content": [{"type": "text", "text": "c?"}]},
            {"role": "assistant", "content": "d."},
        ]});
        let sharegpt = json!({"source": "wiki", "messages": [
            {"from": "human", "value": "e?"}, {"from": "gpt", "value": "f."}, {"from": "human", "value": "g?"},
        ]});
        let classes = unfolded(
            table(std::slice::from_ref(&openai)),
            [None, None],
            LearnedTurns::All,
            Task::SequenceClassification,
        )
        .unwrap();
        assert_eq!((classes.roles, classes.rows.len()), (None, 1));
        let table = of(&[openai, sharegpt]);
        let roles = table.roles.clone().unwrap();
        let said = |row: usize| (roles.source_text(&table.rows[row]), roles.target_text(&table.rows[row]));
        assert_eq!([said(0), said(1), said(2)], [pair("a?", "b."), pair("c?", "d."), pair("e?", "f.")]);
        assert_eq!(table.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(turns(&table, 0), [pair("system", "Be kind.")]);
        assert_eq!(turns(&table, 1), [pair("system", "Be kind."), pair("user", "a?"), pair("assistant", "b.")]);
        assert!(turns(&table, 2).is_empty() && table.notes[0].to_string().contains("3 answers in 2 conversations"));
    }

    #[test]
    fn the_last_answer_alone_is_learned_where_that_is_asked_for() {
        let turn = |role: &str, content: &str| json!({"role": role, "content": content});
        let said = json!({"messages": [turn("user", "a?"), turn("assistant", "b."), turn("user", "c?"),
            turn("assistant", "d."), turn("user", "e?")]});
        let table = unfolded(table(&[said]), [None, None], LearnedTurns::Last, Task::Causal).unwrap();
        let roles = table.roles.clone().unwrap();
        assert_eq!(table.rows.len(), 1);
        assert_eq!((roles.source_text(&table.rows[0]), roles.target_text(&table.rows[0])), pair("c?", "d."));
        assert_eq!(turns(&table, 0), [pair("user", "a?"), pair("assistant", "b.")]);
        assert!(table.notes[0].to_string().contains("the last answer"), "{:?}", table.notes);
    }

    #[test]
    fn a_conversation_without_end_is_named() {
        let turns: Vec<Value> = (0..100_000)
            .map(|at| json!({"role": if at % 2 == 0 { "user" } else { "assistant" }, "content": "a"}))
            .collect();
        let table = of(&[
            json!({"messages": turns}),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
        ]);
        assert_eq!((table.rows.len(), table.n_problems), (1, 1));
        assert!(table.problems[0].reason.to_string().contains("2000 turns"));
    }

    #[test]
    fn a_history_of_pairs_is_turns_beside_the_prompt() {
        let row = |history: Value| json!({"prompt": "c", "response": "d", "history": history, "system": "s"});
        let table = of(&[row(json!([])), row(json!([["a", "b"]]))]);
        assert_eq!((table.roles.is_some(), table.rows.len()), (false, 2));
        assert_eq!(turns(&table, 0), [pair("system", "s")]);
        assert_eq!(turns(&table, 1), [pair("system", "s"), pair("user", "a"), pair("assistant", "b")]);
        let text = of(&[json!({"text": "a", "history": "The history of a town."})]);
        assert_eq!(text.earlier, Earlier::default(), "a text of that name is no conversation");
    }

    #[test]
    fn a_turn_that_cannot_be_read_is_named_and_the_other_conversations_are_read() {
        let row = |turns: Value| json!({"conversations": turns});
        let asked = || json!({"from": "human", "value": "a"});
        let table = of(&[
            row(json!([asked(), {"from": "gpt", "value": "b"}])),
            row(json!([asked(), {"from": "narrator", "value": "b"}])),
            row(json!([asked(), {"role": "assistant", "content": null, "tool_calls": [{}]}])),
            row(json!([{"from": "gpt", "value": "b"}, asked(), {"from": "gpt", "value": "c"}])),
            row(json!([asked()])),
        ]);
        assert_eq!(table.rows.len(), 2);
        let reasons: Vec<_> = table.problems.iter().map(|problem| (problem.row, problem.reason.to_string())).collect();
        assert!(reasons[0].1.contains("narrator") && reasons[1].1.contains("calls tools"), "{reasons:?}");
        assert_eq!(reasons[2], (4, "1 answers of it follow no question".to_owned()));
        assert_eq!(reasons[3], (5, "its conversation has no answer of the assistant".to_owned()));
        let silent =
            json!([asked(), {"from": "gpt", "value": "b", "weight": 0}, asked(), {"from": "gpt", "value": "c"}]);
        assert_eq!(of(&[row(silent)]).rows.len(), 1, "an answer of weight 0 is read and not learned");
    }

    #[test]
    fn pairs_of_a_chosen_and_a_rejected_answer_are_named() {
        let row = json!({"prompt": "a", "chosen": "b", "rejected": "c"});
        let all = LearnedTurns::All;
        let error =
            unfolded(table(std::slice::from_ref(&row)), [None, None], all, Task::Causal).unwrap_err().to_string();
        assert!(error.contains("preferences") && error.contains("data.target_column"), "{error}");
        assert!(unfolded(table(&[row]), [None, Some("chosen")], all, Task::Causal).unwrap().roles.is_none());
    }
}
