//! Refusals of pickles, and the cost of a bomb.

use super::*;

fn refusal(bytes: &[u8]) -> PickleError {
    describe(bytes).unwrap_err()
}

#[test]
fn a_call_of_the_system_is_refused_by_its_name() {
    let wanted = |name: &str| PickleError::Forbidden(name.to_owned());
    assert_eq!(refusal(b"\x80\x02cposix\nsystem\nX\x06\0\0\0rm -rf\x85R."), wanted("posix.system"));
    // The same in protocol 4, where the name lies on the stack.
    let stacked = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.";
    assert_eq!(refusal(stacked), wanted("builtins.eval"));
    // A name that only begins as an allowed one.
    assert_eq!(refusal(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n."), {
        wanted("torch._utils._rebuild_tensor_v2.__globals__")
    });
    // Opcodes that make objects or call classes: INST, OBJ, NEWOBJ, EXT1, REDUCE on what is no function.
    for program in [&b"(ios\nsystem\n."[..], b"(o.", b")\x81.", b"\x82\x01.", b"K\x01)R."] {
        assert!(matches!(refusal(program), PickleError::Damaged(_)));
    }
}

#[test]
fn a_memo_bomb_stays_as_small_as_its_file() {
    // Each tuple holds the one before it eight times: 8^10000 items if they were copied.
    let mut program = b"\x80\x02)".to_vec();
    for _ in 0..10_000 {
        program.extend_from_slice(b"q\0(h\0h\0h\0h\0h\0h\0h\0h\0t");
    }
    program.push(b'.');
    let described = describe(&program).unwrap();
    assert!(described.tensors.is_empty() && described.length == program.len());
    // A long shape that many tensors mention.
    let mut program = b"\x80\x02(".to_vec();
    program.extend(std::iter::repeat_n(*b"K\x01", 1000).flatten());
    program.extend_from_slice(b"tq\0ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n");
    program.extend_from_slice(b"X\x01\0\0\x000NK\x01tQK\0h\0h\0tR.");
    assert_eq!(refusal(&program), PickleError::Damaged(sentence!("a tensor in it has {n_sizes} axes", n_sizes = 1000)));
}

#[test]
fn what_takes_more_than_there_is_is_damaged() {
    for program in [
        &b""[..],
        b"\x80",
        b"\x80\x02",
        b".",
        b"t.",
        b"(0.",
        b"u.",
        b"(K\x01u.",
        b"}(K\x01u.",
        b"](K\x01K\x02u.",
        b"h\0.",
        b"q\0.",
        b"X\xFF\xFF\xFF\xFFabc.",
        b"\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFabc.",
        b"X\x01\0\0\0\xFF.",
        b"cposix",
        b"}b.",
        b"K\x01Nb.",
        b"K\x01Q.",
    ] {
        assert!(matches!(refusal(program), PickleError::Damaged(_)), "{program:?}");
    }
}
