from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.domain.account import Login, NewUser, Tokens, User
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.accounts import LogIn, ManageAccounts


class UserController(Controller):
    path = "/api/v1/users"
    tags = ("Users",)

    @post("/login", status_code=200, permission="public", operation_id="log_in")
    @inject
    async def log_in(self, data: JSONBody[Login], log_in: FromDishka[LogIn]) -> Tokens:
        """Log in

        With a username or an email; give the token back as `Authorization: Bearer <token>`.
        """
        return await log_in(data)

    @get("/profile", permission="profile", operation_id="get_profile")
    @inject
    async def profile(self, request: Call, accounts: FromDishka[ManageAccounts]) -> User:
        """Read who you are"""
        return await accounts.profile(request.user)

    @get("/", permission="admin", operation_id="list_users")
    @inject
    async def list_users(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        accounts: FromDishka[ManageAccounts],
    ) -> Response[Page[User]]:
        """List users"""
        return paged(request, await accounts.list(request.user, page))

    @post("/", permission="admin", operation_id="create_user")
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewUser], accounts: FromDishka[ManageAccounts]
    ) -> User:
        """Make a user"""
        return await accounts.create(request.user, data)
