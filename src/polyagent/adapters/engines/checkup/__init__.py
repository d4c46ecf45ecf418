"""What keeps an `up` from running well on this machine."""
