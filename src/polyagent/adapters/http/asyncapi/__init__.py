"""WebSockets as a document that tools read: the frames, who may open them, why they close."""
