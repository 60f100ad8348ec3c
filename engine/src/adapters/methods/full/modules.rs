//! Modules that names of a run's settings mean: a part of a weight's name between dots, `*` in it for any letters.

/// Whether a name is that of a weight, or of a module that holds it: `attn`, `h.11.mlp`, `*.attn.*`, `layers.1?`.
pub(super) fn names(name: &str, weight: &str) -> bool {
    let starts = std::iter::once(0).chain(weight.match_indices('.').map(|(at, _)| at + 1));
    starts.into_iter().any(|start| {
        let rest = &weight[start..];
        let ends = rest.match_indices('.').map(|(at, _)| at).chain([rest.len()]);
        ends.into_iter().any(|end| is_match(name.as_bytes(), &rest.as_bytes()[..end]))
    })
}

/// Whether a whole text is as a name with `*` and `?` says: the last `*` that was met takes one letter more wherever what
/// follows does not fit, so that the time is the product of both lengths at most.
fn is_match(name: &[u8], text: &[u8]) -> bool {
    let (mut n, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match name.get(n) {
            Some(b'*') => {
                retry = Some((n + 1, t));
                n += 1;
            }
            Some(&letter) if letter == b'?' || letter == text[t] => (n, t) = (n + 1, t + 1),
            _ => match retry {
                Some((after, taken)) => {
                    retry = Some((after, taken + 1));
                    (n, t) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    name[n..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_whole_parts_of_a_weights_name() {
        let weight = "transformer.h.11.attn.c_attn.weight";
        for name in ["attn", "h.11", "h.1?", "h.*.attn", "*.attn.*", "*attn*", "c_attn", "c_attn.weight", weight, "*"] {
            assert!(names(name, weight), "{name}");
        }
        for name in ["h.1", "att", "mlp", "h.?.attn", "*.mlp.*", "", "attn.weight", "*attn*x"] {
            assert!(!names(name, weight), "{name}");
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_both_lengths() {
        let (name, weight) = ("*a".repeat(5000), "a".repeat(4000) + "b");
        assert!(!names(&name, &weight));
    }
}
