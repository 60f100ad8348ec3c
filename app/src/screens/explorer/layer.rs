//! Layers as people count them, of the names that hooks have: `blocks.3.attn.hook_pattern` is layer 4.

use crate::t;

/// The parts of a hook's name.
struct Place<'a> {
    stack: &'a str,
    /// From 1.
    layer: usize,
    is_cross: bool,
}

fn place(name: &str) -> Option<Place<'_>> {
    let (stack, rest) = name.split_once('.')?;
    let (layer, point) = rest.split_once('.').unwrap_or((rest, ""));
    Some(Place {
        stack,
        layer: layer.parse::<usize>().ok()? + 1,
        is_cross: stack == "cross" || point.starts_with("cross"),
    })
}

/// Its number, from 0.
pub(super) fn number(name: &str) -> Option<usize> {
    place(name).map(|place| place.layer - 1)
}

/// The name beside a row: `4`, `E4`, `D4`, and `X4` where a decoder reads its source.
pub(super) fn short(name: &str) -> String {
    let Some(Place { stack, layer, is_cross }) = place(name) else { return name.to_owned() };
    let letter = match stack {
        _ if is_cross => "X",
        "encoder" => "E",
        "decoder" => "D",
        _ => "",
    };
    format!("{letter}{layer}")
}

/// The name in a sentence.
pub(super) fn long(name: &str) -> String {
    if name == "embeddings" {
        return t!("insight.embeddings").to_owned();
    }
    let Some(Place { stack, layer, is_cross }) = place(name) else { return name.to_owned() };
    match stack {
        _ if is_cross => t!("insight.cross_layer", layer = layer),
        "encoder" => t!("insight.encoder_layer", layer = layer),
        "decoder" => t!("insight.decoder_layer", layer = layer),
        _ => t!("insight.layer", layer = layer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_counted_from_one_and_its_stack_is_told() {
        let names = ["blocks.3.attn.hook_pattern", "encoder.0.attn.hook_pattern", "decoder.2.hook_resid_post"];
        assert_eq!(names.map(short), ["4", "E1", "D3"]);
        assert_eq!(short("decoder.2.cross_attn.hook_pattern"), "X3");
        assert_eq!([short("blocks.3"), short("cross.0"), long("embeddings")], ["4", "X1", "Embeddings"]);
        assert_eq!((number("decoder.2"), number("embeddings")), (Some(2), None));
        assert_eq!(long("decoder.2.cross_attn.hook_pattern"), "Decoder layer 3, reading the source");
        assert_eq!([short("hook_embed"), long("blocks.x.y")], ["hook_embed", "blocks.x.y"]);
    }
}
