"""A model service that does what the last user message says, on a real socket. `scripts` has the words."""

from tests.model_service.meanings import Meanings
from tests.model_service.server import CERTIFICATE, ModelService

__all__ = ["CERTIFICATE", "Meanings", "ModelService"]
