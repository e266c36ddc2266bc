"""What people do with the dashboard, in the order in which they would: the first run comes first."""
import secrets

from private_engine import wait_until


def test_first_run(stranger):
    box = stranger.box
    box.username, box.password = "admin", "Aa1!" + secrets.token_hex(8)
    token = (box.state / "secrets/setup_token").read_text().strip()
    try:
        stranger.walk("first_run", token=token, password=box.password)
    except BaseException:
        del box.password
        raise
    box.login()


def test_an_idle_page_asks_for_nothing(visitor):
    visitor.walk("quiet")


def test_a_lost_connection_is_said_and_mended(visitor):
    box = visitor.box
    process = visitor.start("dropped")
    visitor.hear(process, "live")
    box.kill("zaned-api")
    visitor.hear(process, "lost")
    visitor.tell(process, "it is back, or will be")
    visitor.end(process)
    wait_until(lambda: box.request("GET", "/readyz").status in (200, 404), 60, "the API")
