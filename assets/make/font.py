#!/usr/bin/env python3
"""Make the bundled Chinese font: the characters of GB 2312 level 1 and Chinese punctuation, from Noto Sans CJK SC.

    apt-get install fonts-noto-cjk && pip install fonttools
    font.py ../fonts [--source NotoSansCJK-Regular.ttc]

One face, regular weight, no hinting and no layout features beyond what stands upright text needs. Characters that
our own Chinese dataset uses beyond level 1 are added.
"""
import argparse
import glob
import os

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

EXTRA = "“”‘’—–…·×÷±≤≥≈≠→←↑↓°％‰№①②③④⑤⑥⑦⑧⑨⑩○●□■△▲◇◆★☆"
# words of the window that use characters outside level 1
WINDOW = "嵌瓶颈阈阐覆迭熵簇钮勾峰值熄毫秒栈滤稀疏缩略帧率撤销剪贴粘浏览筛选"


def characters(here):
    level_1 = {bytes((a, b)).decode("gb2312", "ignore") for a in range(0xB0, 0xD8) for b in range(0xA1, 0xFF)}
    assert len(level_1 - {""}) == 3755
    text = "".join(level_1) + EXTRA + WINDOW
    text += "".join(map(chr, [*range(0x20, 0x7F), *range(0x3000, 0x3020), *range(0xFF01, 0xFF5F), 0xFFE5]))
    for file in glob.glob(os.path.join(here, "../datasets/*/*.jsonl")):
        text += "".join(c for c in open(file, encoding="utf-8").read() if 0x2E80 <= ord(c) <= 0xFFEF)
    return "".join(sorted(set(text)))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--source", default="/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
    a = ap.parse_args()
    names = [f["name"].getDebugName(1) for f in TTCollection(a.source, lazy=True).fonts]
    font = TTFont(a.source, fontNumber=names.index("Noto Sans CJK SC"))
    options = subset.Options()
    options.hinting = False
    options.desubroutinize = False
    options.layout_features = []
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    options.drop_tables += ["VORG", "vhea", "vmtx", "BASE", "DSIG", "GSUB", "GPOS", "GDEF"]
    options.notdef_outline = True
    tool = subset.Subsetter(options)
    tool.populate(text=characters(os.path.dirname(os.path.abspath(__file__))))
    tool.subset(font)
    path = os.path.join(a.out, "NotoSansSC-subset.otf")
    font.save(path)
    made = TTFont(path)
    have = made.getBestCmap()
    assert all(ord(c) in have for c in "前缀微调训练损失验证困惑度，。“”：；（）")
    print(f"{path}: {len(have)} characters, {os.path.getsize(path) / 1e6:.2f} MB; {made['name'].getDebugName(0)}")


if __name__ == "__main__":
    main()
