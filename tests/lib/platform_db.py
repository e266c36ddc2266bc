"""The platform's own Postgres as tests ask it: over TCP from inside its container's network namespace."""
import netns
import psycopg2


class Database:
    """Sessions of one role. Every trouble is a ConnectionError, which wait_until takes for "not yet"."""

    def __init__(self, platform, role="zane", name="zane"):
        self.platform, self.role, self.name = platform, role, name
        self.kept = None

    def connect(self):
        """A session of one's own, in autocommit."""
        space = netns.Namespace(self.platform.pids_of("postgres")[0])
        password = (self.platform.state / f"secrets/pg_{self.role}_password").read_text().strip()
        try:
            made = space.call(lambda: psycopg2.connect(host="127.0.0.1", user=self.role, password=password,
                                                       dbname=self.name, connect_timeout=10))
        except psycopg2.Error as e:
            raise ConnectionError(str(e)) from e
        finally:
            space.close()
        made.autocommit = True
        return made

    def query(self, text, params=None):
        """Rows as tuples, on a kept session that is made anew after it broke."""
        try:
            self.kept = self.kept or self.connect()
            with self.kept.cursor() as cursor:
                cursor.execute(text, params)
                return cursor.fetchall() if cursor.description else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as e:
            self.close()
            raise ConnectionError(str(e)) from e

    def one(self, text, params=None):
        """First column of the first row, or None."""
        rows = self.query(text, params)
        return rows[0][0] if rows else None

    def rows(self, text, params=None):
        """Rows as dictionaries, for a reader."""
        return [row[0] for row in self.query(f"select to_jsonb(r) from ({text}) r", params)]

    def close(self):
        if self.kept:
            self.kept.close()
        self.kept = None
