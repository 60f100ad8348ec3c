//! Tests of the form as it is typed and of the run that comes of it.

use engine::config::{
    FewShotConfig, FullConfig, LoraBias, LoraConfig, MlpActivation, OptimizerConfig, PrefixConfig, PrefixInit,
    PromptConfig, PromptEncoder, PromptEncoderKind, PromptInit, Reparameterization, SgdConfig,
};
use engine::models::{LinearName, Role, Site};
use engine::recipes::Recipe;

use super::*;
use crate::screens::new_run::check::Facts;
use crate::screens::new_run::tuning::{Beside, Targets};

fn with(mut form: RunForm, change: impl FnOnce(&mut RunForm)) -> RunForm {
    change(&mut form);
    form
}

fn ready() -> RunForm {
    with(RunForm::default(), |form| {
        form.text = TextFields { model: "/models/a".into(), train: "/data/a.jsonl".into(), ..form.text.clone() };
    })
}

fn gpt2() -> ModelSummary {
    ModelSummary {
        folder: "/models/a".into(),
        architecture: "GPT2LMHeadModel".into(),
        n_layers: 12,
        encoder_layers: 0,
        d_model: 768,
        n_heads: 12,
        n_kv_heads: 12,
        d_head: 64,
        n_positions: 1024,
        vocab_size: 50_257,
        d_ff: 3072,
        parameters: 124_439_808,
        dtype: "F32".into(),
        file_bytes: 500_000_000,
        largest_tensor_bytes: 154_389_504,
        packing: engine::models::Packing::default(),
        tasks: Vec::new(),
        own_head: None,
        embedding_width: 768,
        weights: Vec::new(),
        linears: Vec::new(),
        notice: None,
    }
}

#[test]
fn the_first_thing_missing_is_the_model() {
    let issues = RunForm::default().check(Facts::default()).unwrap_err();
    assert_eq!(issues[0].field, Field::Model);
    assert_eq!(issues[1].field, Field::Train);
}

#[test]
fn a_complete_form_is_a_run_with_a_name() {
    let config = ready().check(Facts::default()).unwrap();
    assert_eq!(config.name, "prefix 20 · a");
    assert_eq!(config.training.learning_rate, 5e-3);
    assert_eq!(RunForm::from(&config).check(Facts::default()).unwrap(), config);
}

#[test]
fn the_learning_rate_follows_method_and_optimizer_until_it_is_typed() {
    let mut form = ready();
    form.tuning.prefix.network.on = true;
    form.follow_method();
    assert_eq!(form.text.learning_rate, "1e-4");
    form.config.training.optimizer = OptimizerConfig::Sgd(SgdConfig::default());
    form.follow_method();
    assert_eq!(form.text.learning_rate, "0.1");
    form.text.learning_rate = "1e-3".into();
    form.rate_edited = true;
    form.tuning.prefix.network.on = false;
    form.follow_method();
    assert_eq!(form.text.learning_rate, "1e-3");
}

#[test]
fn the_rate_that_is_offered_is_the_one_that_suits_a_model_of_that_size() {
    let mut form = ready();
    form.know_scale(Scale::Usual);
    assert_eq!((form.text.learning_rate.as_str(), form.rate_edited), ("5e-3", false));
    form.know_scale(Scale::Small);
    assert_eq!(form.text.learning_rate, "0.02", "another model, another rate");
    form.tuning.kind = MethodKind::Lora;
    form.follow_method();
    assert_eq!(form.text.learning_rate, "4e-3");
    form.text.learning_rate = "7e-3".into();
    form.rate_edited = true;
    form.know_scale(Scale::Usual);
    assert_eq!(form.text.learning_rate, "7e-3", "somebody typed it");
}

#[test]
fn a_duplicate_keeps_the_rate_of_its_run_whatever_the_model_turns_out_to_be() {
    let mut config = ready().check(Facts::default()).unwrap();
    for (rate, scale, edited) in [
        (5e-3, Scale::Usual, false),
        (5e-3, Scale::Small, true),
        (2e-2, Scale::Small, false),
        (0.3, Scale::Small, true),
    ] {
        config.training.learning_rate = rate;
        let mut form = RunForm::from(&config);
        form.know_scale(scale);
        assert_eq!((form.text.learning_rate.parse(), form.rate_edited), (Ok(rate), edited), "{rate} {scale:?}");
    }
}

#[test]
fn validation_rows_follow_the_training_rows_until_somebody_chooses_some() {
    let mut form = with(ready(), |form| form.text.validation = "/starter/validation.jsonl".into());
    form.follow_rows(None);
    assert_eq!(form.text.validation, "");
    form.follow_rows(Some("/b/dev.csv".into()));
    assert_eq!(form.text.validation, "/b/dev.csv");
    form.validation_chosen = true;
    form.follow_rows(None);
    assert_eq!(form.text.validation, "/b/dev.csv");
}

#[test]
fn every_method_comes_back_from_the_form_as_it_went_in() {
    let prefix = PrefixConfig { n_virtual: 7, dropout: 0.1, ..PrefixConfig::default() };
    let network = Reparameterization { width: Some(64), activation: MlpActivation::Gelu, hidden_layers: 2 };
    let words = PrefixConfig { init: PrefixInit::Words { text: "a b".into() }, ..prefix.clone() };
    let prompt = |init| MethodConfig::Prompt(PromptConfig { n_virtual: 9, init, ..PromptConfig::default() });
    let encoded = |kind, width| {
        let encoder = Some(PromptEncoder { kind, width, layers: 3 });
        MethodConfig::Prompt(PromptConfig { encoder, ..PromptConfig::default() })
    };
    let lora = LoraConfig { rank: 4, alpha: 32.0, dropout: 0.1, rank_stabilized: true, ..LoraConfig::default() };
    let named = LoraConfig { targets: Some(vec!["c_attn".into(), r"h\.\d{1,2}\.mlp".into()]), ..lora.clone() };
    let everywhere =
        LoraConfig { targets: Some(vec!["all-linear".into()]), bias: LoraBias::All, ..LoraConfig::default() };
    let full = |top_layers| MethodConfig::Full(FullConfig { top_layers, ..FullConfig::default() });
    let methods = [
        MethodConfig::Prefix(prefix.clone()),
        MethodConfig::Prefix(PrefixConfig { reparameterization: Some(network), ..prefix }),
        MethodConfig::Prefix(PrefixConfig { n_frozen: 2, ..words.clone() }),
        MethodConfig::Prefix(PrefixConfig { layers: Some(vec![0, 1, 2, 7]), infix: true, ..words.clone() }),
        MethodConfig::Prefix(words),
        prompt(PromptInit::ScaledRandom),
        prompt(PromptInit::Random),
        prompt(PromptInit::Zero),
        prompt(PromptInit::Vocabulary),
        prompt(PromptInit::Frequent),
        prompt(PromptInit::Classes),
        prompt(PromptInit::Words { text: "say it".into() }),
        encoded(PromptEncoderKind::Mlp, None),
        encoded(PromptEncoderKind::Lstm, Some(33)),
        encoded(PromptEncoderKind::Tanh, Some(33)),
        MethodConfig::Lora(lora),
        MethodConfig::Lora(named.clone()),
        MethodConfig::Lora(everywhere),
        full(None),
        full(Some(3)),
        full(Some(0)),
        MethodConfig::FewShot(FewShotConfig { instruction: "Say it.\n".into(), shots: 2 }),
    ];
    for method in methods {
        let task = match &method {
            MethodConfig::FewShot(_) => None,
            _ => Some(Task::SequenceClassification),
        };
        let beside = matches!(method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
        for lora in [None, beside.then(|| named.clone())] {
            let plain = ready().check(Facts::default()).unwrap();
            let config = RunConfig { method: method.clone(), lora, task, ..plain };
            assert_eq!(RunForm::from(&config).check(Facts::default()).as_ref(), Ok(&config), "{method:?}");
        }
    }
}

#[test]
fn the_rate_and_the_presets_are_those_of_the_method() {
    let mut form = ready();
    let usual = [
        (MethodKind::Prompt, "1e-3"),
        (MethodKind::PTuning, "1e-4"),
        (MethodKind::Lora, "2e-4"),
        (MethodKind::Full, "5e-5"),
        (MethodKind::HeadOnly, "1e-3"),
    ];
    for (kind, rate) in usual {
        form.tuning.kind = kind;
        form.follow_method();
        assert_eq!(form.text.learning_rate, rate, "{kind:?}");
    }
    form.tuning.kind = MethodKind::Lora;
    let names: Vec<&str> = form.recipes().map(|recipe| recipe.name).collect();
    assert_eq!(names, ["lora-gpt2-e2e"]);
    form.take_recipe(Recipe::named("lora-gpt2-e2e").unwrap());
    assert_eq!(form.recipe().map(|recipe| recipe.name), Some("lora-gpt2-e2e"));
    assert_eq!((form.tuning.lora.config.rank, form.tuning.kind), (4, MethodKind::Lora));
}

#[test]
fn what_a_method_lacks_is_said_at_its_field() {
    let model = ModelSummary {
        architecture: "gpt2".into(),
        linears: vec![LinearName {
            name: "h.0.attn.c_attn".into(),
            d_in: 4,
            d_out: 12,
            is_in_out: true,
            role: Role::Layer,
        }],
        ..gpt2()
    };
    let first = |change: fn(&mut RunForm)| {
        let mut form = ready();
        change(&mut form);
        form.check(Facts { model: Some(&model), ..Facts::default() }).unwrap_err()[0].field
    };
    assert_eq!(first(|form| form.tuning.kind = MethodKind::HeadOnly), Field::Method);
    let silent = |form: &mut RunForm| (form.tuning.kind, form.tuning.text.shots) = (MethodKind::Text, 0);
    assert_eq!(first(silent), Field::Text);
    assert_eq!(first(|form| form.tuning.prefix.layers = "some".into()), Field::Layers);
    assert_eq!(first(|form| form.tuning.prefix.layers = "6-13".into()), Field::Layers, "there are twelve");
    let name = |form: &mut RunForm, name: &str| {
        (form.tuning.beside, form.tuning.lora.targets) = (Beside::Lora, Targets::Named);
        form.tuning.lora.names = name.into();
    };
    let mut form = ready();
    for (typed, right) in [("", false), ("q_proj", false), ("c_attn", true)] {
        name(&mut form, typed);
        let checked = form.check(Facts { model: Some(&model), ..Facts::default() });
        assert_eq!(checked.is_ok(), right, "{typed:?}");
        assert!(right || checked.unwrap_err()[0].field == Field::Targets);
    }
}

#[test]
fn a_recipe_fills_the_form_and_is_in_force_until_something_of_it_changes() {
    let mut form = ready();
    assert_eq!(form.recipe(), None);
    let names: Vec<&str> = form.recipes().map(|recipe| recipe.name).collect();
    assert!(names.contains(&"prefix-gpt2-e2e") && !names.contains(&"lora-gpt2-e2e"), "{names:?}");
    for name in ["prefix-gpt2-e2e", "prefix-gpt2-low-data", "chatglm"] {
        form.take_recipe(Recipe::named(name).unwrap());
        assert_eq!(form.recipe().map(|recipe| recipe.name), Some(name));
    }
    assert!(form.rate_edited && !form.tuning.prefix.network.on && form.memory.length_unit == LengthUnit::Steps);
    let config = form.check(Facts::default()).unwrap();
    assert_eq!((config.training.gradient_accumulation, config.training.learning_rate), (16, 2e-2));
    form.tuning.prefix.config.n_virtual = 20;
    assert_eq!(form.recipe(), None);
}

#[test]
fn a_warm_up_is_given_in_steps_or_as_a_share() {
    let mut form = ready();
    (form.config.training.warmup_steps, form.config.training.warmup_ratio) = (30, 0.1);
    let warm_up = |form: &RunForm| {
        let training = form.check(Facts::default()).unwrap().training;
        (training.warmup_steps, training.warmup_ratio)
    };
    assert_eq!(warm_up(&form), (30, 0.0));
    form.memory.warm_up = WarmUp::Share;
    assert_eq!(warm_up(&form), (0, 0.1));
}

#[test]
fn a_prefix_that_leaves_no_room_is_refused_with_the_numbers() {
    let model = gpt2();
    let facts = Facts { model: Some(&model), ..Facts::default() };
    let issues = with(ready(), |form| form.tuning.prefix.config.n_virtual = 1024).check(facts).unwrap_err();
    assert!(issues[0].field == Field::Prefix && issues[0].sentence.contains("1024"));
    let long = with(ready(), |form| form.memory.max_tokens.set(Some(1010)));
    assert_eq!(long.check(facts).unwrap_err()[0].field, Field::MaxTokens);
}

#[test]
fn places_count_only_where_the_model_has_an_encoder() {
    let sites = |form: &RunForm, model: &ModelSummary| {
        let facts = Facts { model: Some(model), ..Facts::default() };
        form.check(facts).map(|config| config.method.prefix().unwrap().sites.clone())
    };
    let t5 = ModelSummary { encoder_layers: 12, ..gpt2() };
    let of = |sites: &[Site]| with(ready(), |form| form.tuning.prefix.sites = sites.to_vec());
    let two = of(&[Site::Encoder, Site::Cross]);
    assert_eq!(sites(&ready(), &t5), Ok(None), "all of them is what happens anyway");
    assert_eq!(sites(&two, &t5), Ok(Some(vec![Site::Encoder, Site::Cross])));
    assert_eq!(sites(&two, &gpt2()), Ok(None));
    assert_eq!(sites(&of(&[]), &t5).unwrap_err()[0].field, Field::Sites);
}

#[test]
fn a_learning_rate_that_is_no_number_is_named() {
    for typed in ["", "fast", "-1", "nan", "inf", "0"] {
        let issues = with(ready(), |form| form.text.learning_rate = typed.into()).check(Facts::default()).unwrap_err();
        assert_eq!(issues[0].field, Field::LearningRate, "{typed}");
    }
}
