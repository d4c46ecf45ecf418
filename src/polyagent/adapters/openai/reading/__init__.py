"""How an answer is read: bytes, events, chunks, and in the end the deltas of the domain.

Nothing in here knows of connections but `stream`, which is handed one.
"""
