"""Work on input that can make a parser explode: done in a child process that can be killed."""
