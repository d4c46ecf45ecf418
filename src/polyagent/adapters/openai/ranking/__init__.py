"""What finds documents by their meaning: embeddings, and reranking."""
