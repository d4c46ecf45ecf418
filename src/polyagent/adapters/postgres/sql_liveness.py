"""Who is dead, as a piece of other statements."""


def is_dead(stale_s: str) -> str:
    """Return the condition that `w`, the worker of a row or no row at all, lives no more."""
    return f"""(
            w.id IS NULL
            OR w.lease_until < now()
            OR (w.lock_id <> 0 AND w.beat_at < now() - make_interval(secs => {stale_s}) AND NOT EXISTS (
                SELECT FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                    AND l.classid = 7 AND l.objid = w.lock_id::oid
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ))
        )"""  # noqa: S608  # pieces of our own
