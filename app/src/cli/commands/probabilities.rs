//! Tokens of texts with their probabilities, for `generate`: a line a token, loss and perplexity below.

use engine::protocol::{Ask, LikelyToken, Report, ScoreRequest, ScoredToken, TextScore};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::session::Session;

/// Has texts scored and prints them; `titles` are the columns and prompts that they are of.
pub(super) fn score(
    session: &Session,
    request: ScoreRequest,
    titles: &[(String, String)],
    global: &Global,
) -> Result<(), CliError> {
    let scores = session.ask(Ask::ScoreText(Box::new(request)), |report| {
        if global.json {
            out::result(json::line(&report));
        }
        match report {
            Report::TextScored { scores } => Some(scores),
            _ => None,
        }
    })?;
    if !global.json {
        print(titles, &scores);
    }
    Ok(())
}

/// Prints texts token by token.
pub(super) fn print(titles: &[(String, String)], scores: &[TextScore]) {
    let mut said = None;
    for ((name, prompt), score) in titles.iter().zip(scores) {
        if said != Some(prompt) {
            out::result(prompt);
            said = Some(prompt);
        }
        let (loss, perplexity) = (score.loss(), score.perplexity());
        out::result(format_args!(
            "  [{name}] loss {loss:.4}, perplexity {perplexity:.2}, {} tokens",
            score.tokens.len()
        ));
        score.tokens.iter().for_each(|token| out::result(line(token)));
    }
}

/// Probability in per cent, rank, the token, and the likely ones.
fn line(token: &ScoredToken) -> String {
    let share = |log_probability: f64| format!("{:6.2}%", 100.0 * log_probability.exp());
    let likely = |of: &LikelyToken| format!("\"{}\" {}", out::one_line(&of.text), share(of.log_probability).trim());
    let text = format!("\"{}\"", out::one_line(&token.text));
    let line = format!("    {} #{:<5} {text:<18}", share(token.log_probability), token.rank);
    let likely: Vec<String> = token.top.iter().map(likely).collect();
    format!("{line} {}", likely.join("  ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_with_its_probability_its_rank_and_the_likely_ones() {
        let likely = |text: &str, share: f64| LikelyToken { text: text.to_owned(), log_probability: share.ln() };
        let top = vec![likely(" river", 0.5), likely(" sea", 0.25)];
        let token = ScoredToken { text: " sea".to_owned(), log_probability: 0.25_f64.ln(), rank: 2, top };
        assert_eq!(line(&token), "     25.00% #2     \" sea\"             \" river\" 50.00%  \" sea\" 25.00%");
        let alone = ScoredToken { top: Vec::new(), ..token };
        assert_eq!(line(&alone), "     25.00% #2     \" sea\"");
    }
}
