"""The front for clients of OpenAI's protocol: models and chat completions.

https://platform.openai.com/docs/api-reference/chat
"""
