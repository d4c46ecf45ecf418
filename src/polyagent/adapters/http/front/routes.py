from urllib.parse import unquote

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.failing import COMPLETION
from polyagent.adapters.http.asks.keys import Key, idempotency_key
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.front.answering import answered, streaming
from polyagent.adapters.http.front.reading import ask_of
from polyagent.adapters.http.front.wire import (
    CompletionRequest,
    CompletionResponse,
    ModelOffer,
    ModelOffers,
)
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.reader import Reader
from polyagent.domain.completion import Offer
from polyagent.domain.errors import (
    AgentInactive,
    ModelServiceMissing,
    ModelServiceUnavailable,
    ModelUnknown,
    TooManyOpen,
)
from polyagent.usecases.completions import FindModels, SendCompletion

ROUTE = "completions"


class FrontController(Controller):
    path = "/v1"
    tags = ("OpenAI",)

    @get("/models", permission="chat", operation_id="list_models")
    @inject
    async def models(self, request: Call, find: FromDishka[FindModels]) -> ModelOffers:
        """List models

        Agents are called `agent/<name or id>`, the models of the model service as it calls them.
        """
        return ModelOffers(data=[_offer(offer) for offer in await find.list(request.user)])

    @get(
        "/models/{model_id:path}",
        permission="chat",
        operation_id="get_model",
        fails=(AgentInactive, ModelUnknown, ModelServiceMissing, ModelServiceUnavailable),
    )
    @inject
    async def model(
        self, request: Call, model_id: FromPath[str], find: FromDishka[FindModels]
    ) -> ModelOffer:
        """Read a model"""
        return _offer(await find.get(request.user, _named(request)))

    @post(
        "/chat/completions",
        status_code=200,
        permission="chat",
        operation_id="complete_chat",
        fails=(*COMPLETION, TooManyOpen),
    )
    @inject
    async def complete(
        self,
        request: Call,
        data: JSONBody[CompletionRequest],
        send: FromDishka[SendCompletion],
        reader: NamedDependency[Reader],
        rates: NamedDependency[RequestRates],
        key: Key = None,
    ) -> Response[CompletionResponse]:
        """Complete a conversation

        Each completion is a run, which `X-Run-ID` names. It goes on when the client leaves: the same
        request under the same `Idempotency-Key` leads back to it. `stream: true` answers with chunks.
        """
        ask = ask_of(data)
        await rates.of_message(
            request.scope, request.user, ask.end_user, is_streamed=bool(data.stream)
        )
        named = idempotency_key(key, route=ROUTE, asked=ask, end_user=ask.end_user)
        admitted = await send(request.user, ask, key=named)
        if data.stream:
            with_usage = bool(data.stream_options and data.stream_options.include_usage)
            return await streaming(request, reader, admitted, ask, with_usage=with_usage)
        if admitted.replayed:
            await rates.of_stream(request.scope, request.user)
        return await answered(request, reader, admitted, ask)


def _named(request: Call) -> str:
    """Return the id in the address as it was sent: the framework takes a slash from the end of its own copy."""
    return unquote(request.scope["raw_path"].decode("latin-1")).removeprefix("/v1/models/")


def _offer(offer: Offer) -> ModelOffer:
    created = int(offer.created_at.timestamp()) if offer.created_at else 0
    return ModelOffer(id=offer.id, created=created, owned_by=offer.owner)
