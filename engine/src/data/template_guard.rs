//! Checks of a template from a stranger before it is parsed: its length, its statements, and how deep it nests.
//!
//! A parser of expressions calls itself, so that a chain of operators, filters, attributes or `elif` is a depth of the
//! stack. The template engine limits brackets alone. What a template then computes has a budget: `template_budget.rs`.

use minijinja::machinery::{Span, Token, WhitespaceConfig, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::{Sentence, sentence};

/// Most operators, filters and brackets around each other in one tag.
const MAX_CHAIN: usize = 100;
/// Most statements around each other; each `elif` is one inside of the one before it.
const MAX_BLOCKS: usize = 100;
/// Most commas in a tag.
const MAX_ITEMS: usize = 10_000;
/// Statements that are available. `generation` marks for a trainer what the model says, and does nothing.
const STATEMENTS: [&str; 15] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "do",
    "break",
    "continue",
    "generation",
    "endgeneration",
];

/// The template engine's own tokens, up to what it cannot read; it will say so itself.
fn tokens(source: &str) -> impl Iterator<Item = (Token<'_>, Span)> {
    tokenize(source, false, SyntaxConfig, WhitespaceConfig::default()).map_while(Result::ok)
}

/// Refuses what is too long, too deep, or not available.
///
/// # Errors
/// A sentence on what the template holds.
pub(super) fn check(source: &str, max_bytes: usize) -> Result<(), Sentence> {
    if source.len() > max_bytes {
        return Err(sentence!("it is longer than {max_bytes} bytes", max_bytes));
    }
    let mut depth = Depth::default();
    let mut before = None;
    for (token, _) in tokens(source) {
        if let (Some(Token::BlockStart), Token::Ident(name)) = (&before, &token)
            && !STATEMENTS.contains(name)
        {
            return Err(sentence!("{% {name} %} is not available in templates", name));
        }
        if matches!(token, Token::Mul | Token::Pow) {
            return Err(sentence!("multiplication (*) is not available in templates"));
        }
        depth.take(before.as_ref(), &token)?;
        before = Some(token);
    }
    Ok(())
}

/// Whether a tag calls a function of this name.
pub(super) fn calls(source: &str, function: &str) -> bool {
    let mut before = None;
    tokens(source).any(|(token, _)| {
        let is_call = matches!((&before, &token), (Some(Token::Ident(name)), Token::ParenOpen) if *name == function);
        before = Some(token);
        is_call
    })
}

/// The template with the marks of what a model says as conditions that always hold.
pub(super) fn without_marks(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut done = 0;
    let mut before = None;
    for (token, span) in tokens(source) {
        let instead = match (&before, &token) {
            (Some(Token::BlockStart), Token::Ident("generation")) => Some("if true"),
            (Some(Token::BlockStart), Token::Ident("endgeneration")) => Some("endif"),
            _ => None,
        };
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        if let (Some(instead), Some(text)) = (instead, source.get(done..start)) {
            plain.push_str(text);
            plain.push_str(instead);
            done = end;
        }
        before = Some(token);
    }
    plain.push_str(source.get(done..).unwrap_or_default());
    plain
}

/// Depth that a parser would have at this token.
#[derive(Debug, Default)]
struct Depth {
    /// For each bracket that is open in this tag: operators between operands, and what stands before and behind the newest.
    chains: Vec<(usize, usize)>,
    items: usize,
    /// For each statement that is open: itself and its `elif`s.
    blocks: Vec<usize>,
    /// A `set` whose tag has no `=` so far: it takes what follows it, up to `endset`.
    captures: bool,
}

impl Depth {
    fn take(&mut self, before: Option<&Token<'_>>, token: &Token<'_>) -> Result<(), Sentence> {
        match token {
            Token::VariableStart | Token::BlockStart => (self.chains, self.items) = (vec![(0, 0)], 0),
            Token::BlockEnd if std::mem::take(&mut self.captures) => self.blocks.push(1),
            Token::Assign if self.chains.len() == 1 => self.captures = false,
            Token::Ident(name) if matches!(before, Some(Token::BlockStart)) => self.statement(name),
            Token::Ident("not") | Token::Dot | Token::Pipe => self.unary(),
            Token::Minus if !ends_operand(before) => self.unary(),
            Token::Ident("and" | "or" | "if" | "else" | "is" | "in")
            | Token::Minus
            | Token::Plus
            | Token::Tilde
            | Token::Div
            | Token::FloorDiv
            | Token::Mod
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => {
                if let Some((binary, unary)) = self.chains.last_mut() {
                    (*binary, *unary) = (*binary + 1, 0);
                }
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.unary();
                self.chains.push((0, 0));
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose if self.chains.len() > 1 => {
                self.chains.pop();
            }
            Token::Comma => {
                self.items += 1;
                if let Some(chain) = self.chains.last_mut() {
                    *chain = (0, 0);
                }
            }
            _ => {}
        }
        if self.chains.iter().map(|(binary, unary)| binary + unary).sum::<usize>() > MAX_CHAIN {
            return Err(sentence!(
                "more than {max_chain} operators, filters and brackets stand around each other",
                max_chain = MAX_CHAIN
            ));
        }
        if self.blocks.iter().sum::<usize>() > MAX_BLOCKS {
            return Err(sentence!(
                "more than {max_blocks} statements stand inside of each other",
                max_blocks = MAX_BLOCKS
            ));
        }
        if self.items > MAX_ITEMS {
            return Err(sentence!("a tag has more than {max_items} commas", max_items = MAX_ITEMS));
        }
        Ok(())
    }

    fn unary(&mut self) {
        if let Some((_, unary)) = self.chains.last_mut() {
            *unary += 1;
        }
    }

    fn statement(&mut self, name: &str) {
        match name {
            "if" | "for" | "macro" | "generation" => self.blocks.push(1),
            "elif" => {
                if let Some(block) = self.blocks.last_mut() {
                    *block += 1;
                }
            }
            "set" => self.captures = true,
            "endif" | "endfor" | "endmacro" | "endset" | "endgeneration" => {
                self.blocks.pop();
            }
            _ => {}
        }
    }
}

/// Whether an operand may end with this token, so that a minus behind it is between two.
fn ends_operand(token: Option<&Token<'_>>) -> bool {
    match token {
        Some(Token::Ident(name)) => !matches!(*name, "not" | "and" | "or" | "if" | "else" | "is" | "in" | "elif"),
        Some(
            Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::ParenClose
            | Token::BracketClose
            | Token::BraceClose,
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_that_is_a_depth_of_the_parser_is_refused() {
        for chain in [
            format!("{{{{ {}1 }}}}", "-".repeat(16_000)),
            format!("{{{{ {}1 }}}}", "- ".repeat(200)),
            format!("{{{{ {}1 }}}}", "not ".repeat(16_000)),
            format!("{{{{ a{} }}}}", ".a".repeat(200)),
            format!("{{{{ a{} }}}}", "[0]".repeat(200)),
            format!("{{{{ a{} }}}}", "(a, a)".repeat(200)),
            format!("{{{{ a{} }}}}", "|upper".repeat(200)),
            format!("{{{{ a{} }}}}", " ~ a".repeat(200)),
            format!("{{{{ a{} }}}}", " == a".repeat(200)),
            format!("{{{{ a{} }}}}", " is a".repeat(200)),
            format!("{{{{ {}1 }}}}", "1 if 1 else ".repeat(200)),
            format!("{{{{ {}", "(".repeat(200)),
            format!("{{{{ {}", "[-(".repeat(40)),
            format!("{{{{ {} '", "-".repeat(200)),
            "{% if a %}".repeat(200),
            "{% for a in b %}".repeat(200),
            "{% set a %}".repeat(200),
            format!("{{% if a %}}{}", "{% elif a %}".repeat(200)),
        ] {
            let refused = check(&chain, usize::MAX).unwrap_err();
            assert!(refused.to_string().contains("100"), "{refused}: {}", &chain[..40]);
        }
        assert!(
            check(&format!("{{{{ [{}] }}}}", "a,".repeat(20_000)), usize::MAX)
                .unwrap_err()
                .to_string()
                .contains("commas")
        );
        assert!(check(&"a".repeat(20), 10).unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn what_stands_beside_each_other_is_no_depth() {
        for plain in [
            format!("{{{{ [{}] }}}}", "a.b|upper|trim, ".repeat(1000)),
            format!("{{{{ a.b['c'](d){} }}}}", " ~ a.b['c'](-d)|e".repeat(60)),
            "{% set a = 1 %}{% if a %}b{% endif %}{% for a in b %}{{ -a - -a }}{% endfor %}".repeat(300),
            "{# {% include %} #}{{ '{% include %} * -----' }} - - -".to_owned(),
        ] {
            check(&plain, usize::MAX).unwrap();
        }
    }

    #[test]
    fn statements_that_are_not_available_are_named() {
        for (source, word) in [
            ("{% with a = b %}{% endwith %}", "with"),
            ("{%+ filter upper %}{% endfilter %}", "filter"),
            ("{% include 'x' %}", "include"),
            ("{{ 'a' * 1000000 }}", "multiplication"),
            ("{{ 2 ** 9 }}", "multiplication"),
        ] {
            assert!(check(source, usize::MAX).unwrap_err().to_string().contains(word), "{source}");
        }
    }

    #[test]
    fn marks_of_what_a_model_says_keep_their_white_space() {
        let marked = "中 {%- generation %} a {% endgeneration -%} b {{ 'generation' }}";
        assert_eq!(without_marks(marked), "中 {%- if true %} a {% endif -%} b {{ 'generation' }}");
        assert_eq!(without_marks("{{ unfinished"), "{{ unfinished");
        assert!(calls("a {{ soft (3) }}", "soft") && !calls("soft(3) {{ soft }} {{ 'soft(3)' }}", "soft"));
    }
}
