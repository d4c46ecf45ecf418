"""Where documents and their bytes are kept, what reads them, and what finds them."""
