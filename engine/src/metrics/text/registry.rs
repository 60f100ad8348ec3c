//! Metrics of texts by name. A part after a colon says the words: `zh`, `intl`, `char`, `none`, or `stem`.

use super::{
    Bleu, BleuAdgen, BleuE2e, Chrf, Cider, Distinct, Meteor, Nist, Resources, Rouge, RougeChinese, RougeCoco,
    RougeKind, Ter, TextMetric, Tokenizer, Words,
};

/// Range of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Of 0 to 1.
    One,
    /// Of 0 to 10.
    Ten,
    /// Of 0 to 100.
    Hundred,
    /// Of 0 on.
    Open,
    /// Per cent of 0 on; above 100 where there is more wrong than right.
    OpenPercent,
}

impl Scale {
    /// The largest figure, where there is one.
    pub fn largest(self) -> Option<f64> {
        match self {
            Self::One => Some(1.0),
            Self::Ten => Some(10.0),
            Self::Hundred => Some(100.0),
            Self::Open | Self::OpenPercent => None,
        }
    }
}

/// A metric as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextMetricEntry {
    /// Name in settings, commands and files.
    pub name: &'static str,
    /// Name as papers write it.
    pub label: &'static str,
    /// Range of the figure.
    pub scale: Scale,
    /// Whether a larger figure is the better one.
    pub higher_is_better: bool,
    /// One line on words and reference implementation.
    pub description: &'static str,
}

const fn entry(name: &'static str, label: &'static str, scale: Scale, description: &'static str) -> TextMetricEntry {
    let higher_is_better = !matches!(scale, Scale::OpenPercent);
    TextMetricEntry { name, label, scale, higher_is_better, description }
}

/// Metrics, those of a family one after another.
pub const TEXT_METRICS: &[TextMetricEntry] = &[
    entry("bleu", "BLEU", Scale::Hundred, "sacreBLEU with its tokenizer 13a, for Western languages"),
    entry("bleu:zh", "BLEU (zh)", Scale::Hundred, "sacreBLEU with its tokenizer zh: each Chinese character a word"),
    entry("bleu:intl", "BLEU (intl)", Scale::Hundred, "sacreBLEU with its tokenizer intl: punctuation of all scripts"),
    entry("bleu:char", "BLEU (char)", Scale::Hundred, "sacreBLEU with its tokenizer char: each character a word"),
    entry("bleu:none", "BLEU (none)", Scale::Hundred, "sacreBLEU on texts whose words stand between spaces"),
    entry("bleu:lc", "BLEU (lc)", Scale::Hundred, "sacreBLEU with its tokenizer 13a, letters made small"),
    entry("bleu_e2e", "BLEU (E2E)", Scale::One, "BLEU of the E2E challenge's script"),
    entry(
        "bleu4_char",
        "BLEU-4 (ADGEN)",
        Scale::Hundred,
        "BLEU-4 over characters of ChatGLM's script for ADGEN, mean of rows",
    ),
    entry("nist", "NIST", Scale::Open, "NIST of the E2E challenge's script: matches weigh by their information"),
    entry(
        "meteor",
        "METEOR",
        Scale::One,
        "METEOR of nltk by equal words and stems, and by synonyms where WordNet is there",
    ),
    entry("meteor:char", "METEOR (char)", Scale::One, "METEOR of nltk, each character a word"),
    entry("meteor:none", "METEOR (none)", Scale::One, "METEOR of nltk on texts whose words stand between spaces"),
    entry("rouge1", "ROUGE-1", Scale::One, "F of words, rouge_score"),
    entry("rouge2", "ROUGE-2", Scale::One, "F of pairs of words, rouge_score"),
    entry("rouge_l", "ROUGE-L", Scale::One, "F of the longest common subsequence, rouge_score"),
    entry("rouge_lsum", "ROUGE-Lsum", Scale::One, "F of longest common subsequences of lines, rouge_score"),
    entry("rouge1:stem", "ROUGE-1 (stems)", Scale::One, "F of words by Porter's stems, rouge_score"),
    entry("rouge2:stem", "ROUGE-2 (stems)", Scale::One, "F of pairs of words by Porter's stems, rouge_score"),
    entry("rouge_l:stem", "ROUGE-L (stems)", Scale::One, "ROUGE-L by Porter's stems, rouge_score"),
    entry("rouge_lsum:stem", "ROUGE-Lsum (stems)", Scale::One, "ROUGE-Lsum by Porter's stems, rouge_score"),
    entry("rouge1:char", "ROUGE-1 (char)", Scale::One, "F of characters, rouge_score's arithmetic"),
    entry("rouge2:char", "ROUGE-2 (char)", Scale::One, "F of pairs of characters, rouge_score's arithmetic"),
    entry("rouge_l:char", "ROUGE-L (char)", Scale::One, "ROUGE-L of characters, rouge_score's arithmetic"),
    entry("rouge_lsum:char", "ROUGE-Lsum (char)", Scale::One, "ROUGE-Lsum of characters, rouge_score's arithmetic"),
    entry("rouge_l_e2e", "ROUGE-L (E2E)", Scale::One, "ROUGE-L of the E2E challenge's and the COCO captions' scripts"),
    entry("rouge_l_e2e:none", "ROUGE-L (E2E, none)", Scale::One, "The same on texts whose words stand between spaces"),
    entry("rouge_l_e2e:char", "ROUGE-L (E2E, char)", Scale::One, "The same, each character a word"),
    entry("rouge1_zh", "ROUGE-1 (ADGEN)", Scale::Hundred, "rouge_chinese over characters in place of jieba's words"),
    entry("rouge2_zh", "ROUGE-2 (ADGEN)", Scale::Hundred, "rouge_chinese over characters in place of jieba's words"),
    entry("rouge_l_zh", "ROUGE-L (ADGEN)", Scale::Hundred, "rouge_chinese over characters in place of jieba's words"),
    entry("rouge1_zh:none", "ROUGE-1 (ADGEN, none)", Scale::Hundred, "rouge_chinese on texts cut into words before"),
    entry("rouge2_zh:none", "ROUGE-2 (ADGEN, none)", Scale::Hundred, "rouge_chinese on texts cut into words before"),
    entry("rouge_l_zh:none", "ROUGE-L (ADGEN, none)", Scale::Hundred, "rouge_chinese on texts cut into words before"),
    entry(
        "cider",
        "CIDEr",
        Scale::Ten,
        "CIDEr of the E2E challenge's and the COCO captions' scripts, which is CIDEr-D",
    ),
    entry("cider_d", "CIDEr-D", Scale::Ten, "The same figure under its own name"),
    entry("cider_plain", "CIDEr (plain)", Scale::Ten, "CIDEr without clipping and weight of lengths"),
    entry("cider:none", "CIDEr (none)", Scale::Ten, "CIDEr-D on texts whose words stand between spaces"),
    entry("cider:char", "CIDEr (char)", Scale::Ten, "CIDEr-D, each character a word"),
    entry("chrf", "chrF", Scale::Hundred, "chrF of sacreBLEU: n-grams of characters"),
    entry("chrf++", "chrF++", Scale::Hundred, "chrF++ of sacreBLEU: n-grams of characters and words"),
    entry("ter", "TER", Scale::OpenPercent, "TER of sacreBLEU: edits for each word; less is better"),
    entry("ter:zh", "TER (zh)", Scale::OpenPercent, "TER of sacreBLEU, normalized, each Chinese character a word"),
    entry("distinct_1", "distinct-1", Scale::One, "Different words for each word of all predictions"),
    entry("distinct_2", "distinct-2", Scale::One, "Different pairs of words for each pair of all predictions"),
    entry("distinct_3", "distinct-3", Scale::One, "Different triples of words for each triple of all predictions"),
    entry("distinct_1:char", "distinct-1 (char)", Scale::One, "Different characters for each of all predictions"),
    entry(
        "distinct_2:char",
        "distinct-2 (char)",
        Scale::One,
        "Different pairs of characters for each of all predictions",
    ),
];

/// A metric by its name in [`TEXT_METRICS`].
pub fn text_metric(name: &str, resources: &Resources) -> Option<Box<dyn TextMetric>> {
    let entry = TEXT_METRICS.iter().find(|entry| entry.name == name)?;
    let (family, form) = entry.name.split_once(':').unwrap_or((entry.name, ""));
    let words = match form {
        "char" => Words::Characters,
        "none" => Words::Spaces,
        _ => Words::Usual,
    };
    let rouge = |kind| Rouge::new(kind).words(words).stems(form == "stem");
    Some(match family {
        "bleu" => Box::new(bleu(form)),
        "bleu_e2e" => Box::new(BleuE2e),
        "bleu4_char" => Box::new(BleuAdgen),
        "nist" => Box::new(Nist),
        "meteor" => Box::new(Meteor::new(words).synonyms(resources.wordnet.clone())),
        "rouge1" => Box::new(rouge(RougeKind::Ngrams(1))),
        "rouge2" => Box::new(rouge(RougeKind::Ngrams(2))),
        "rouge_l" => Box::new(rouge(RougeKind::Lcs)),
        "rouge_lsum" => Box::new(rouge(RougeKind::LcsOfLines)),
        "rouge_l_e2e" => Box::new(RougeCoco::new(words)),
        "rouge1_zh" => Box::new(RougeChinese::new(Some(1), words)),
        "rouge2_zh" => Box::new(RougeChinese::new(Some(2), words)),
        "rouge_l_zh" => Box::new(RougeChinese::new(None, words)),
        "cider" | "cider_d" => Box::new(Cider::new(words)),
        "cider_plain" => Box::new(Cider::plain(words)),
        "chrf" => Box::new(Chrf::new(0)),
        "chrf++" => Box::new(Chrf::new(2)),
        "ter" => Box::new(if form == "zh" { Ter::asian() } else { Ter::new() }),
        "distinct_1" => Box::new(Distinct::new(1, words)),
        "distinct_2" => Box::new(Distinct::new(2, words)),
        "distinct_3" => Box::new(Distinct::new(3, words)),
        _ => return None,
    })
}

fn bleu(form: &str) -> Bleu {
    let tokenizer = match form {
        "zh" => Tokenizer::Zh,
        "intl" => Tokenizer::Intl,
        "char" => Tokenizer::Char,
        "none" => Tokenizer::None,
        _ => Tokenizer::Mteval13a,
    };
    Bleu::new(tokenizer).lowercase(form == "lc")
}
