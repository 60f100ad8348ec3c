//! Text as it is generated: a piece is given out once its characters are complete.

use super::tokenizer::Tokenizer;

/// Tokens after which an unfinished character is given up on.
const MAX_PENDING: usize = 16;

/// Decodes one token after another. The pieces, with that of [`StreamDecoder::finish`], make up the decoded text.
#[derive(Clone, Debug)]
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    /// Byte-level tokenizers: the bytes of an unfinished character.
    bytes: Vec<u8>,
    /// Others: the last tokens given out, for what decoding makes of their neighbors, then those pending.
    window: Vec<u32>,
    /// Number of tokens of `window` that have been given out.
    emitted: usize,
}

impl StreamDecoder {
    /// A decoder at the start of a text; special tokens are left out.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self { tokenizer: tokenizer.clone(), bytes: Vec::new(), window: Vec::new(), emitted: 0 }
    }

    /// The text that this token completes; often empty in scripts whose characters take several tokens.
    pub fn push(&mut self, id: u32) -> String {
        if self.tokenizer.is_special(id) {
            return String::new();
        }
        match self.tokenizer.byte_level_bytes(id) {
            Some(bytes) => {
                self.bytes.extend(bytes);
                complete_text(&mut self.bytes)
            }
            None => self.push_to_window(id),
        }
    }

    /// The rest at the end of the text: bytes that never became a character.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        let window = self.new_text().unwrap_or_default();
        self.window.clear();
        self.emitted = 0;
        rest + &window
    }

    fn push_to_window(&mut self, id: u32) -> String {
        self.window.push(id);
        let Some(text) = self.new_text() else { return String::new() };
        let is_unfinished =
            text.ends_with(char::REPLACEMENT_CHARACTER) && self.window.len() - self.emitted < MAX_PENDING;
        if text.is_empty() || is_unfinished {
            return String::new();
        }
        // The tokens just given out stay as the neighbors of the next.
        self.window.drain(..self.emitted);
        self.emitted = self.window.len();
        text
    }

    /// The text that the pending tokens add to those given out.
    fn new_text(&self) -> Option<String> {
        let before = self.tokenizer.decode(&self.window[..self.emitted]).ok()?;
        let text = self.tokenizer.decode(&self.window).ok()?;
        text.strip_prefix(before.as_str()).map(str::to_owned)
    }
}

/// Takes the complete characters from the front; bytes that can never become one are replaced, as decoding the whole
/// text replaces them.
fn complete_text(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut used = 0;
    while used < bytes.len() {
        match std::str::from_utf8(&bytes[used..]) {
            Ok(valid) => {
                text.push_str(valid);
                used = bytes.len();
            }
            Err(error) => {
                text.push_str(&String::from_utf8_lossy(&bytes[used..used + error.valid_up_to()]));
                used += error.valid_up_to();
                let Some(invalid) = error.error_len() else { break };
                text.push(char::REPLACEMENT_CHARACTER);
                used += invalid;
            }
        }
    }
    bytes.drain(..used);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    #[test]
    fn characters_arrive_whole() {
        let tokenizer = byte_tokenizer();
        let mut decoder = StreamDecoder::new(&tokenizer);
        let ids = tokenizer.encode("a你<|endoftext|>é").unwrap();
        let pieces: Vec<String> = ids.iter().map(|&id| decoder.push(id)).collect();
        assert_eq!(pieces, ["a", "", "", "你", "", "", "é"]);
        assert_eq!(decoder.finish(), "");
    }

    #[test]
    fn broken_bytes_equal_the_whole_text_decoded() {
        let tokenizer = byte_tokenizer();
        for bytes in [&b"\xE4\xBDa\xFF\xE4"[..], b"\xF0\x9F\x98", b"ab", b"\xC3\xC3\xA9"] {
            let ids: Vec<u32> = bytes.iter().map(|&b| u32::from(b)).collect();
            let mut decoder = StreamDecoder::new(&tokenizer);
            let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
            text += &decoder.finish();
            assert_eq!(text, tokenizer.decode(&ids).unwrap());
        }
    }
}
