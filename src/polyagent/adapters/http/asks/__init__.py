"""What a request says beside its body: preferences, preconditions, pages, keys and cursors."""
