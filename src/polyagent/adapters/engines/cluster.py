"""A new PostgreSQL cluster: made aside, shown when it is whole."""

import shutil
from pathlib import Path

from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.host.account import Account
from polyagent.adapters.engines.process.launch import run

ROLE = "polyagent"
DATABASE = "polyagent"
ADMIN = "postgres"

# Local sockets only, and a password even there: as root, the engines' account may be shared.
HBA = "local all all scram-sha-256\n"


def create(binaries: Path, data: DataDir, account: Account, lock_fd: int) -> None:
    """Make `pg/` with the application's role and database, unless it is there."""
    final, unfinished = data.path / "pg", data.path / "pg.new"
    if data.has_cluster():
        return
    with said_plainly(unfinished):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        account.own(unfinished)
    run(
        [
            str(binaries / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={ADMIN}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=reject",  # the passwords are set below, without a file that holds them
            "--no-instructions",
        ],
        account=account,
        inherit=[lock_fd],
    )
    for database, statements in _statements(data).items():
        run(
            [str(binaries / "postgres"), "--single", "-D", str(unfinished), database],
            account=account,
            text=statements,
            inherit=[lock_fd],
        )
    with said_plainly(final):
        (unfinished / "pg_hba.conf").write_text(HBA)
        unfinished.rename(final)


def _statements(data: DataDir) -> dict[str, str]:
    """Return what to run in which database, in order; each line is one statement."""
    admin_password, password = data.secret("pg.admin.password"), data.secret("pg.password")
    return {
        "postgres": (
            f"ALTER ROLE {ADMIN} PASSWORD '{admin_password}'\n"
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'\n"
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
            f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC\n"
        ),
        DATABASE: "CREATE EXTENSION vector\n",
    }
