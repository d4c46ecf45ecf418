"""What the engines need to know of the machine that they run on."""
