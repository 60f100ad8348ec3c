//! Every number against transformers + PEFT: the cases of `tests/golden`, on the CPU.

use engine::device::DeviceChoice;
use engine::nn::Precision;
use engine::verify;

#[test]
fn every_golden_case_is_within_tolerance() {
    let mut cases: Vec<_> =
        std::fs::read_dir(tests::golden_cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 10, "the golden cases are there");
    let mut far = Vec::new();
    for case in &cases {
        let report = verify::run(case, None, (DeviceChoice::Cpu, Precision::F32)).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        // Of an encoder as it is there are losses and logits alone.
        let least = if name.ends_with("-full-masked") { 4 } else { 8 };
        assert!(report.groups.len() >= least, "{name} computes its groups");
        // What writes has searched with beams, too.
        let has_beams = report.groups.iter().any(|group| group.group == "gen/beam4_eos_scores");
        assert_eq!(has_beams, report.groups.iter().any(|group| group.group == "gen/greedy"), "{name} has beams");
        far.extend(report.groups.into_iter().filter(|group| !group.ok).map(|group| (name.clone(), group)));
    }
    assert!(far.is_empty(), "{far:#?}");
}

#[test]
fn a_case_for_another_architecture_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(tests::golden_cases().join("gpt2-prefix-2x44/case.json")).unwrap();
    std::fs::write(
        folder.path().join("case.json"),
        text.replace("\"architecture\": \"gpt2\"", "\"architecture\": \"mamba\""),
    )
    .unwrap();
    let error = verify::run(folder.path(), None, (DeviceChoice::Cpu, Precision::F32)).unwrap_err();
    assert!(error.to_string().contains("mamba"), "{error}");
}
