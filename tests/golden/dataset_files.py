"""Small files as the datasets library, pyarrow and compressors write them, into ../fixtures/datasets, and the rows that are
right: `expected.json` has a list of rows for each file or folder.

    pip install datasets==5.2.0 pyarrow==26.0.1 zstandard
    python tests/golden/dataset_files.py
"""

import datetime
import decimal
import gzip
import json
import lzma
import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

HOME = Path(__file__).resolve().parent.parent / "fixtures" / "datasets"
expected = {}


def plain(path):
    return str(path.relative_to(HOME))


def rows(n, start=0):
    return [{"source": f"question {i} 山", "target": f"answer {i} é"} for i in range(start, start + n)]


def saved_split():
    path = HOME / "split"
    datasets.Dataset.from_list(rows(5)).save_to_disk(path)
    expected[plain(path)] = rows(5)


def saved_dict():
    """Class labels, several data files, and a split beside it."""
    names = ["negative", "positive"]
    features = datasets.Features({
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=names),
        "tags": datasets.List(datasets.ClassLabel(names=["O", "B"])),
        "picture": datasets.Value("binary"),
    })
    made = [{"text": f"text {i}", "label": i % 2, "tags": [0, 1, i % 2], "picture": b"\x00"} for i in range(7)]
    made[3]["label"] = -1
    train = datasets.Dataset.from_list(made, features=features)
    path = HOME / "dict"
    datasets.DatasetDict({"test": train.select(range(2)), "train": train}).save_to_disk(
        path, num_shards={"train": 3, "test": 1})
    expected[plain(path)] = [
        {"text": row["text"], "label": None if row["label"] < 0 else names[row["label"]],
         "tags": [["O", "B"][tag] for tag in row["tags"]]} for row in made]
    expected[plain(path / "test")] = expected[plain(path)][:2]


def shuffled():
    """As versions before 2 saved a shuffled dataset: all rows, and the order beside them."""
    path = HOME / "shuffled"
    datasets.Dataset.from_list(rows(6)).save_to_disk(path, num_shards=2)
    order = [4, 0, 5, 5, 2]
    table = pa.table({"indices": pa.array(order, pa.uint64())})
    with pa.ipc.new_stream(str(path / "indices.arrow"), table.schema) as out:
        out.write_table(table, max_chunksize=2)
    state = json.loads((path / "state.json").read_text())
    state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (path / "state.json").write_text(json.dumps(state, indent=2))
    made = rows(6)
    expected[plain(path)] = [made[i] for i in order]


def every_type():
    stamp = datetime.datetime(2024, 2, 29, 12, 30, 15, 250000)
    table = pa.table({
        "i8": pa.array([1, None, -3], pa.int8()),
        "u64": pa.array([2**63, 0, None], pa.uint64()),
        "f32": pa.array([0.1, 2.5, None], pa.float32()),
        "f64": pa.array([1e300, float("nan"), 0.3], pa.float64()),
        "flag": pa.array([True, False, None]),
        "large": pa.array(["a", None, "c"], pa.large_string()),
        "view": pa.array(["short", "a text that is longer than twelve bytes", None], pa.string_view()),
        "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        "bytes": pa.array([b"\x01", b"\x02", None], pa.binary()),
        "list": pa.array([["a", "b"], [], None], pa.list_(pa.string())),
        "large_list": pa.array([[1], [2, 3], None], pa.large_list(pa.int32())),
        "pair": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int16(), 2)),
        "object": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": "y"}, None]),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "moment": pa.array([stamp, None, stamp], pa.timestamp("ms")),
        "zoned": pa.array([stamp, None, stamp], pa.timestamp("us", tz="UTC")),
        "date": pa.array([stamp.date(), None, stamp.date()], pa.date32()),
        "time": pa.array([stamp.time(), None, stamp.time()], pa.time64("us")),
        "money": pa.array([decimal.Decimal("12.50"), decimal.Decimal("-0.05"), None], pa.decimal128(6, 2)),
        "nothing": pa.nulls(3),
    })
    moment, date = "2024-02-29T12:30:15.250", "2024-02-29"
    right = [
        {"i8": 1, "u64": 2**63, "f32": 0.1, "f64": 1e300, "flag": True, "large": "a", "view": "short", "kind": "x",
         "list": ["a", "b"], "large_list": [1], "pair": [1, 2], "object": {"a": 1, "b": "x"}, "map": {"k": 1},
         "moment": moment, "zoned": moment + "+00:00", "date": date, "time": "12:30:15.250", "money": "12.50",
         "nothing": None},
        {"i8": None, "u64": 0, "f32": 2.5, "f64": None, "flag": False, "large": None,
         "view": "a text that is longer than twelve bytes", "kind": "y", "list": [], "large_list": [2, 3],
         "pair": [3, 4], "object": {"a": None, "b": "y"}, "map": {}, "moment": None, "zoned": None, "date": None,
         "time": None, "money": "-0.05", "nothing": None},
        {"i8": -3, "u64": None, "f32": None, "f64": 0.3, "flag": None, "large": "c", "view": None, "kind": "x",
         "list": None, "large_list": None, "pair": None, "object": None, "map": None, "moment": moment,
         "zoned": moment + "+00:00", "date": date, "time": "12:30:15.250", "money": None, "nothing": None},
    ]
    pq.write_table(table, HOME / "types.parquet")
    feather.write_feather(table, HOME / "types.feather", compression="lz4")
    feather.write_feather(table, HOME / "types-zstd.feather", compression="zstd")
    with pa.ipc.new_stream(str(HOME / "types.arrow"), table.schema) as out:
        out.write_table(table, max_chunksize=2)
    for name in ["types.parquet", "types.feather", "types-zstd.feather", "types.arrow"]:
        expected[name] = right


def messages():
    """Conversations, in groups of two rows, packed by each codec and in both versions of pages."""
    made = [{"id": i, "messages": [{"role": "user", "content": f"Hello {i}"}, {"role": "assistant", "content": "你好" * i}]}
            for i in range(5)]
    table = pa.Table.from_pylist(made)
    for codec in ["snappy", "zstd", "gzip", "lz4", "none"]:
        name = f"messages-{codec}.parquet"
        version = "2.0" if codec == "zstd" else "1.0"
        pq.write_table(table, HOME / name, compression=codec, row_group_size=2, data_page_version=version)
        expected[name] = made
    pq.write_table(table, HOME / "delta.parquet", use_dictionary=False, row_group_size=2,
                   column_encoding={"messages.list.element.content": "DELTA_BYTE_ARRAY"})


def packed():
    import zstandard
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(4)).encode()
    for name, pack in [("gz", lambda b: gzip.compress(b, mtime=0)), ("zst", zstandard.ZstdCompressor().compress), ("xz", lzma.compress)]:
        (HOME / f"lines.jsonl.{name}").write_bytes(pack(lines))
        expected[f"lines.jsonl.{name}"] = rows(4)
    (HOME / "lies.csv").write_bytes(gzip.compress("source,target\na,b\n".encode(), mtime=0))
    expected["lies.csv"] = [{"source": "a", "target": "b"}]


def shards():
    folder = HOME / "shards" / "data"
    folder.mkdir(parents=True)
    for i in range(2):
        pq.write_table(pa.Table.from_pylist(rows(2, 2 * i)), folder / f"train-0000{i}-of-00002.parquet")
    more = [{"source": "s", "extra": 1}]
    pq.write_table(pa.Table.from_pylist(more), folder / "validation-00000-of-00001.parquet")
    expected["shards"] = rows(4)
    expected["shards/data/*.parquet"] = rows(4) + more


if HOME.exists():
    shutil.rmtree(HOME)
HOME.mkdir(parents=True)
for make in [saved_split, saved_dict, shuffled, every_type, messages, packed, shards]:
    make()
(HOME / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")
