"""The product's nouns and rules: pure values, no I/O, no framework."""
