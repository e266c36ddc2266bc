"""Where our answers differ from the schema of the compatible API, and why. docs/api.md shows these tables.

A difference is (method, path, status, what). `what` is "status" (not declared), "body" (declared without), "method",
"content type", "<member> missing", "<member> extra" (ours in addition), "<member> null" or the rule that it breaks, and of
errors "<attr> <code>" where the schema does not declare the code for the attribute.
"""
import collections
import fnmatch
import functools

# All but `why` are patterns of the shell, matched with "METHOD path", the status and what differs.
Known = collections.namedtuple("Known", "operation status what why")

# What the compatible server really answers, where its schema says something else: the answer is held against `schema`
# ("X[]": an array, None: no body, a dict: as it is).
Corrected = collections.namedtuple("Corrected", "operation status schema why")

CORRECTED = [
    Corrected("GET /api/csrf/", 200, {"type": "object", "required": ["details"], "additionalProperties": False,
                                      "properties": {"details": {"type": "string"}}}, "the schema has no success at all"),
    Corrected("DELETE /api/projects/{slug}/", 204, None, "the schema has 200"),
    Corrected("PUT /api/projects/{project_slug}/{env_slug}/cancel-deployment/{service_slug}/{deployment_hash}/", 200,
              "ServiceDeployment", "the schema has Service"),
    Corrected("POST /api/workspace/invite-user/", 201, "WorkspaceInvitation", "the schema has 200"),
    Corrected("GET /api/workspace/invitations/", 200, "WorkspaceInvitation[]", "the schema has a page"),
]

KNOWN = [
    # What their server does as well, though its schema says otherwise.
    Known("* /api/projects/*", "20?", "*_services missing", "as theirs: only the list of projects counts services"),
    Known("* *", "20?", "*preview_metadata null", "as theirs: null where an environment is no preview"),
    Known("POST */variables/", "201", "id missing", "as theirs; `Location` says where the variable is"),

    # Additions, which a client that does not know them passes over.
    Known("* *", "20?", "*step* extra", "what a deployment is doing, since when and how far"),
    Known("* *", "20?", "*container_registry_credentials.slug extra", "the name that people know the credentials by"),
    Known("* /api/registries/credentials/*", "20?", "*ed_at extra", "when credentials were made and changed"),
    Known("GET */build-logs/", "200", "results.N.stream extra", "whether the line came by stdout or stderr"),
    Known("POST /api/auth/login/", "401", "errors.N.code enum", "`totp_required`: the password is right, a code is missing"),

    # Statuses.
    Known("GET *", "304", "status", "the client has this version already (`If-None-Match`)"),
    Known("* /api/auth/*", "403", "status", "no CSRF token, a foreign `Origin`, an API token where a session is needed, a second first user"),
    Known("PUT /api/deploy-service/docker/*", "403", "status", "a foreign page made a browser send it"),
    Known("POST /api/workspace/invitations/*/accept/", "403", "status", "an API token where a session is needed"),
    Known("POST /api/workspaces/switch/", "404", "status", "not a workspace of the caller's"),
    Known("POST /api/workspace/transfer-ownership/", "404", "status", "nobody in the workspace has this id"),
    Known("* *", "409", "status", "a name is taken, something is in use or under way: said of all routes, not of a few"),
    Known("* *", "412", "status", "`If-Match` names a version that is gone"),
    Known("* *", "413", "status", "the body is over 1 MiB"),
    Known("* *", "414", "status", "the request line is too long"),
    Known("* *", "415", "status", "the body is not JSON"),
    Known("* *", "431", "status", "the header is too long"),
    Known("* *", "503", "status", "the database or the log store does not answer: the client may try again"),
    Known("PUT /api/deploy-service/docker/*", "500", "status", "a test damages the database, to see that the token is not logged"),

    # Codes of single fields. Names and places of the fields are the same.
    Known("* *", "400", "- bad_request", "a path or query that is no text (NUL, bytes that are no UTF-8, a bad escape)"),
    Known("* *", "400", "* max_length", "every text and list has a bound here"),
    Known("* *", "400", "* invalid", "one code for a value of the wrong type or form; theirs are `invalid_choice`, `not_a_list`,"
          " `null_characters_not_allowed` and others"),
    Known("* *", "400", "* blank", "a choice or query may not be empty; theirs: `invalid_choice`, or it passes over it"),
    Known("* *", "400", "* m??_value", "bounds where theirs has none, or lists the numbers as choices"),
    Known("GET */build-logs/", "400", "* invalid_choice", "takes the filters of `search/logs`; theirs takes none of them"),
]


@functools.lru_cache(maxsize=4096)
def find(difference):
    """The entry that explains it, or None."""
    operation = f"{difference.method} {difference.path}"
    for k in KNOWN:
        if fnmatch.fnmatchcase(operation, k.operation) and fnmatch.fnmatchcase(str(difference.status), k.status) \
                and fnmatch.fnmatchcase(difference.what, k.what):
            return k
    return None


def tables():
    """The lines of the two tables in docs/api.md."""
    def name(schema):
        return "no body" if schema is None else "{details}" if isinstance(schema, dict) else schema
    def row(*cells):
        return "| " + " | ".join(cells) + " |"
    def code(text):
        return f"`{text}`"
    yield row("request", "answer, as their server's", "but")
    yield "|---|---|---|"
    for c in CORRECTED:
        yield row(code(c.operation.replace(" /api/", " ")), f"{c.status} {name(c.schema)}", c.why)
    yield ""
    yield row("request", "status", "what the schema has not", "why")
    yield "|---|---|---|---|"
    for k in KNOWN:
        yield row("all" if k.operation == "* *" else code(k.operation.replace(" /api/", " ")), k.status.replace("20?", "200, 201"),
                  code(k.what.replace("errors.N.", "")) if k.what != "status" else "the status", k.why)
