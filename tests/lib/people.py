"""Users of all roles, made in the database: what tests of permissions need of the routes that make them."""
import secrets

from daemon import PASSWORD


def member(daemon, role, projects=(), workspace=None):
    """A logged-in client of a new user with a role (10 guest, 30 member, 40 admin) in a workspace (the first by
    default); projects: ids that a guest may see. All users of a run have the same password."""
    query = daemon.postgres.query
    name = f"u{secrets.token_hex(4)}"
    workspace = workspace or query("select id from workspace order by created_at limit 1")[0][0]
    (user,), = query("insert into app_user (username, password_hash) select %s, password_hash from app_user"
                     " where username = 'admin' returning id", (name,))
    (membership,), = query("insert into membership (user_id, workspace_id, role) values (%s, %s, %s) returning id",
                           (user, workspace, role))
    for project in projects:
        query("insert into membership_project values (%s, %s)", (membership, project))
    client = daemon.client()
    client.get("/api/csrf/")
    answer = client.post("/api/auth/login/", {"username": name, "password": PASSWORD})
    assert answer.status == 201, answer
    return client


def other_workspace(daemon):
    """Id of a new workspace without members."""
    (made,), = daemon.postgres.query("insert into workspace (id, name) values (%s, 'another') returning id",
                                     (f"wrk_{secrets.token_hex(5)}x",))
    return made
