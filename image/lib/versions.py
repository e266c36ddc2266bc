"""The pinned versions of image/versions.mk."""
import pathlib
import re

FILE = pathlib.Path(__file__).resolve().parent.parent / "versions.mk"


def pinned():
    return dict(re.findall(r"^(\w+) = (\S+)$", FILE.read_text(encoding="utf-8"), re.M))


def expand(text, names):
    """$NAME stands for what it is pinned to."""
    return re.sub(r"\$(\w+)", lambda m: names[m[1]], text)
