class Malformed(Exception):
    """The answer makes no sense; the text says what it is instead, as in "the service sent ..."."""
