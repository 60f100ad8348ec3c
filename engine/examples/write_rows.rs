//! Writes a file of rows of a size, to see what a file of several GB costs:
//!
//! ```sh
//! cargo run --release -p engine --example write_rows -- 3000 rows.jsonl      # MB
//! /usr/bin/time -v prefix-workbench train --data rows.jsonl --set training.steps=3
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WORDS: [&str; 24] = [
    "the", "a", "king", "queen", "once", "upon", "time", "there", "was", "little", "girl", "boy", "dog", "cat", "ran",
    "home", "said", "mother", "happy", "small", "tree", "house", "river", "sun",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(megabytes), Some(path)) = (args.next(), args.next()) else {
        return Err("say how many MB, and the file".into());
    };
    let wanted = megabytes.parse::<u64>()? * 1_000_000;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut row) = (0, 0_u64);
    while written < wanted {
        let mut words = |n: usize| {
            let words: Vec<&str> = (0..n).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect();
            words.join(" ")
        };
        let (asked, told) = (words(4 + row as usize % 16), words(20 + row as usize * 37 % 120));
        let line = format!("{{\"instruction\": \"Tell story {row}: {asked}\", \"output\": \"{told}\"}}\n");
        file.write_all(line.as_bytes())?;
        written += line.len() as u64;
        row += 1;
    }
    file.flush()?;
    println!("{row} rows");
    Ok(())
}
