"""The OpenAPI document: what the framework and the types say, and what each operation can answer."""
