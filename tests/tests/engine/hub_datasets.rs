//! Datasets fetched from a hub on this machine: as Parquet, of a configuration and a split.

use std::fs;

use engine::hub::{Destination, ModelId, find_cached_rows};
use tests::hub_server::{COMMIT, HubServer, Served};

use crate::hub::{Talk, tree};

/// A Parquet file of rows.
fn rows(name: &str) -> Served {
    let content = fs::read(tests::datasets().join("shards/data/train-00000-of-00002.parquet")).unwrap();
    Served { content, ..Served::large(name, 0) }
}

#[test]
fn a_dataset_is_fetched_as_parquet_and_its_rows_are_read() {
    let cache = tempfile::tempdir().unwrap();
    let names =
        ["sst2/train/0000.parquet", "sst2/train/0001.parquet", "sst2/test/0000.parquet", "cola/train/0000.parquet"];
    let server = HubServer::start("datasets/nyu-mll/glue", names.into_iter().map(rows).collect(), None);
    let talk = Talk::new(&server, cache.path(), None);
    let several = talk.fetch("hf://datasets/nyu-mll/glue").unwrap_err();
    assert!(several.what.to_string().contains("cola, sst2"), "{several:?}");
    let listing = talk.look_up("hf://datasets/nyu-mll/glue/sst2", Destination::Cache).unwrap();
    assert_eq!(listing.files.len(), 3);
    assert!(tree(cache.path()).is_empty(), "a look-up writes nothing");
    let (folder, _) = talk.download(listing).unwrap();
    assert!(folder.ends_with(format!("datasets--nyu-mll--glue/snapshots/{COMMIT}/sst2")), "{}", folder.display());
    let id = |text: &str| ModelId::parse(text).unwrap();
    assert_eq!(find_cached_rows(cache.path(), &id("hf://datasets/nyu-mll/glue/sst2")), Some(folder.clone()));
    let train = find_cached_rows(cache.path(), &id("hf://datasets/nyu-mll/glue/sst2#train"));
    assert_eq!(train, Some(folder.join("train")));
    assert_eq!(find_cached_rows(cache.path(), &id("hf://datasets/nyu-mll/glue/cola")), None);
    for path in [folder.clone(), train.unwrap()] {
        let table = engine::data::read_table(&path).unwrap();
        assert_eq!((table.rows.len(), table.columns.len()), (4, 2), "two files of two rows");
    }
    let own = tempfile::tempdir().unwrap();
    let to = Destination::Folder(own.path().join("mine"));
    let listing = talk.look_up("hf://datasets/nyu-mll/glue/cola#train", to).unwrap();
    let (folder, _) = talk.download(listing).unwrap();
    assert_eq!(engine::data::read_table(&folder).unwrap().rows.len(), 2);
    let missing = talk.fetch("hf://datasets/nyu-mll/gleu").unwrap_err();
    assert!(missing.what.to_string().contains("has no dataset nyu-mll/gleu"), "{missing:?}");
}

#[test]
fn a_dataset_that_the_hub_did_not_convert_is_fetched_from_its_own_files_and_held_against_their_hash() {
    let cache = tempfile::tempdir().unwrap();
    let files = ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"].map(rows).to_vec();
    let server = HubServer::start("datasets/a/b", files, None);
    let folder = Talk::new(&server, cache.path(), None).fetch("hf://datasets/a/b").unwrap();
    let table = engine::data::read_table(&folder).unwrap();
    assert_eq!(table.rows.len(), 2);
    assert!(table.notes[0].to_string().contains("test-00000-of-00001.parquet"), "{:?}", table.notes);

    let cache = tempfile::tempdir().unwrap();
    let lies = Served { says_sha256: Some("0".repeat(64)), ..rows("data/train-00000-of-00001.parquet") };
    let server = HubServer::start("datasets/a/b", vec![lies], None);
    let failure = Talk::new(&server, cache.path(), None).fetch("hf://datasets/a/b").unwrap_err();
    assert!(failure.advice.to_string().contains("Nothing of it was kept"), "{failure:?}");
    assert!(find_cached_rows(cache.path(), &ModelId::parse("hf://datasets/a/b").unwrap()).is_none());
}
