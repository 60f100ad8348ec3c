//! The Porter stemmer (Porter, 1980) as nltk 3.10 extends it by default (nltk/nltk, nltk/stem/porter.py,
//! `NLTK_EXTENSIONS`).

/// Words that the rules would spoil, and their stems.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// Stem of a word, in small letters.
pub fn porter_stem(word: &str) -> String {
    let small = word.to_lowercase();
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == small) {
        return (*stem).to_owned();
    }
    if word.chars().nth(2).is_none() {
        return small;
    }
    let stem = Stem(small.chars().collect());
    stem.step_1a().step_1b().step_1c().step_2().step_3().step_4().step_5a().step_5b().0.into_iter().collect()
}

/// Letters of a word on its way.
struct Stem(Vec<char>);

/// An ending, and what stands in its place.
type Rule = (&'static str, &'static str);

impl Stem {
    fn ends(&self, suffix: &str) -> bool {
        let n = suffix.chars().count();
        self.0.len() >= n && self.0[self.0.len() - n..].iter().copied().eq(suffix.chars())
    }

    fn without(&self, suffix: &str) -> &[char] {
        &self.0[..self.0.len() - suffix.chars().count()]
    }

    fn replaced(&self, suffix: &str, replacement: &str) -> Self {
        Self(self.without(suffix).iter().copied().chain(replacement.chars()).collect())
    }

    /// The first rule whose ending the word has, if the rest has a measure above 0.
    fn by_rules(self, rules: &[Rule]) -> Self {
        match rules.iter().find(|(suffix, _)| self.ends(suffix)) {
            Some((suffix, replacement)) if measure(self.without(suffix)) > 0 => self.replaced(suffix, replacement),
            _ => self,
        }
    }

    fn step_1a(self) -> Self {
        if self.ends("ies") && self.0.len() == 4 {
            return self.replaced("ies", "ie");
        }
        let rules = [("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")];
        match rules.iter().find(|(suffix, _)| self.ends(suffix)) {
            Some((suffix, replacement)) => self.replaced(suffix, replacement),
            None => self,
        }
    }

    fn step_1b(self) -> Self {
        if self.ends("ied") {
            return self.replaced("ied", if self.0.len() == 4 { "ie" } else { "i" });
        }
        if self.ends("eed") {
            return if measure(self.without("eed")) > 0 { self.replaced("eed", "ee") } else { self };
        }
        let has_vowel = |suffix: &&&str| self.ends(suffix) && !consonants(self.without(suffix)).iter().all(|c| *c);
        let Some(suffix) = ["ed", "ing"].iter().find(has_vowel) else { return self };
        let rest = self.replaced(suffix, "");
        for (suffix, replacement) in [("at", "ate"), ("bl", "ble"), ("iz", "ize")] {
            if rest.ends(suffix) {
                return rest.replaced(suffix, replacement);
            }
        }
        if let [.., before, last] = rest.0.as_slice()
            && before == last
            && consonants(&rest.0).last() == Some(&true)
        {
            let is_single = !matches!(last, 'l' | 's' | 'z');
            return if is_single { Self(rest.0[..rest.0.len() - 1].to_vec()) } else { rest };
        }
        if measure(&rest.0) == 1 && ends_cvc(&rest.0) { rest.replaced("", "e") } else { rest }
    }

    fn step_1c(self) -> Self {
        let rest = if self.ends("y") { self.without("y") } else { &[] };
        if rest.len() > 1 && consonants(rest).last() == Some(&true) { self.replaced("y", "i") } else { self }
    }

    fn step_2(self) -> Self {
        if self.ends("alli") && measure(self.without("alli")) > 0 {
            return self.replaced("alli", "al").step_2();
        }
        let rules = [
            ("ational", "ate"),
            ("tional", "tion"),
            ("enci", "ence"),
            ("anci", "ance"),
            ("izer", "ize"),
            ("bli", "ble"),
            ("alli", "al"),
            ("entli", "ent"),
            ("eli", "e"),
            ("ousli", "ous"),
            ("ization", "ize"),
            ("ation", "ate"),
            ("ator", "ate"),
            ("alism", "al"),
            ("iveness", "ive"),
            ("fulness", "ful"),
            ("ousness", "ous"),
            ("aliti", "al"),
            ("iviti", "ive"),
            ("biliti", "ble"),
            ("fulli", "ful"),
        ];
        if self.ends("logi") {
            // The `l` counts with the rest, so that short ones as `geo` keep it.
            return if measure(self.without("ogi")) > 0 { self.replaced("logi", "log") } else { self };
        }
        self.by_rules(&rules)
    }

    fn step_3(self) -> Self {
        let rules = [
            ("icate", "ic"),
            ("ative", ""),
            ("alize", "al"),
            ("iciti", "ic"),
            ("ical", "ic"),
            ("ful", ""),
            ("ness", ""),
        ];
        self.by_rules(&rules)
    }

    fn step_4(self) -> Self {
        let suffixes = [
            "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate",
            "iti", "ous", "ive", "ize",
        ];
        let Some(suffix) = suffixes.into_iter().find(|suffix| self.ends(suffix)) else { return self };
        let rest = self.without(suffix);
        let is_cut = measure(rest) > 1 && (suffix != "ion" || matches!(rest.last(), Some('s' | 't')));
        if is_cut { self.replaced(suffix, "") } else { self }
    }

    fn step_5a(self) -> Self {
        if !self.ends("e") {
            return self;
        }
        let rest = self.without("e");
        let is_cut = measure(rest) > 1 || (measure(rest) == 1 && !ends_cvc(rest));
        if is_cut { self.replaced("e", "") } else { self }
    }

    fn step_5b(self) -> Self {
        if self.ends("ll") && measure(self.without("l")) > 1 { self.replaced("l", "") } else { self }
    }
}

/// Whether each letter is a consonant: `y` is one at the start and after a vowel.
fn consonants(letters: &[char]) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(letters.len());
    for letter in letters {
        flags.push(match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => flags.last().is_none_or(|before| !before),
            _ => true,
        });
    }
    flags
}

/// How often a consonant follows a vowel.
fn measure(letters: &[char]) -> usize {
    consonants(letters).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

/// Whether the word ends in consonant, vowel and consonant but `w`, `x` and `y`, or is a vowel and a consonant.
fn ends_cvc(letters: &[char]) -> bool {
    match consonants(letters).as_slice() {
        [.., true, false, true] => !matches!(letters.last(), Some('w' | 'x' | 'y')),
        [false, true] => true,
        _ => false,
    }
}
