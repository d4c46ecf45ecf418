"""The client of model services that speak the OpenAI protocol."""
