# /// script
# dependencies = ["openai"]
# ///
"""The official OpenAI client: what it calls models are agents here, `agent/<name>`, and models."""

import os
import sys

from openai import OpenAI

URL = os.environ.get("POLYAGENT_URL", "http://localhost:8080")
QUESTION = " ".join(sys.argv[1:]) or "Tell me about Paris in one sentence."

client = OpenAI(base_url=f"{URL}/v1", api_key=os.environ["TOKEN"])
stream = client.chat.completions.create(
    model="agent/general", messages=[{"role": "user", "content": QUESTION}], stream=True
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
