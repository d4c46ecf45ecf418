"""JSON Schema by jsonschema-rs."""

from dishka import Provider, Scope, provide

from polyagent.adapters.jsonschema.schemas import RustSchemas
from polyagent.ports.schemas import Schemas


class SchemasProvider(Provider):
    scope = Scope.APP

    @provide
    def schemas(self) -> Schemas:
        return RustSchemas()
