"""Where our answers differ from the schema of the compatible API, and why. docs/api.md shows this table."""
import collections
import fnmatch

# operation and what: patterns of the shell ("PUT /api/workspace/", "* *"); status: the answer's; why: for people.
Known = collections.namedtuple("Known", "operation status what why")

KNOWN = []


def find(difference):
    """The entry that explains it, or None."""
    operation = f"{difference.method} {difference.path}"
    for k in KNOWN:
        if k.status == difference.status and fnmatch.fnmatchcase(difference.what, k.what) and fnmatch.fnmatchcase(
                operation, k.operation):
            return k
    return None
