from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.domain.account import (
    Login,
    NewUser,
    PatchProfile,
    PatchUser,
    PutProfile,
    Refresh,
    Registration,
    Tokens,
    User,
)
from polyagent.domain.errors import (
    BadCredentials,
    LastAdministrator,
    NameTaken,
    PasswordCommon,
    RefreshTokenReused,
    RegistrationClosed,
    StoreUnavailable,
    Unauthenticated,
)
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.accounts import ManageAccounts
from polyagent.usecases.login import LogIn, LogOut, RefreshLogin
from polyagent.usecases.profile import ManageProfile


class UserController(Controller):
    path = "/api/v1/users"
    tags = ("Users",)

    @post(
        "/login",
        status_code=200,
        permission="public",
        operation_id="log_in",
        fails=(BadCredentials, StoreUnavailable),
    )
    @inject
    async def log_in(self, data: JSONBody[Login], log_in: FromDishka[LogIn]) -> Tokens:
        """Log in

        With a username or an email; give the token back as `Authorization: Bearer <token>`.
        """
        return await log_in(data)

    @post(
        "/register",
        permission="public",
        operation_id="register",
        fails=(RegistrationClosed, NameTaken, PasswordCommon, StoreUnavailable),
    )
    @inject
    async def register(
        self, data: JSONBody[Registration], accounts: FromDishka[ManageAccounts]
    ) -> User:
        """Make an account of your own

        Where the operator allows it; 403 `registration_closed` elsewhere.
        """
        return await accounts.register(data)

    @post(
        "/refresh",
        status_code=200,
        permission="public",
        operation_id="refresh_login",
        fails=(Unauthenticated, RefreshTokenReused, StoreUnavailable),
    )
    @inject
    async def refresh(
        self, data: JSONBody[Refresh], refresh_login: FromDishka[RefreshLogin]
    ) -> Tokens:
        """Get a new pair of tokens

        The refresh token that you give is dead then. Giving a dead one ends the whole login: 401
        `refresh_token_reused`.
        """
        return await refresh_login(data.refresh_token)

    @post("/logout", status_code=204, permission="profile:write", operation_id="log_out")
    @inject
    @once
    async def log_out(self, request: Call, log_out: FromDishka[LogOut]) -> None:
        """Log out

        Ends the login that the access token comes from: that token and the refresh token are dead.
        """
        await log_out(request.user, request.auth)

    @get("/profile", permission="profile", operation_id="get_profile")
    @inject
    async def profile(self, request: Call, profile: FromDishka[ManageProfile]) -> User:
        """Read who you are"""
        return await profile.get(request.user)

    @patch(
        "/profile",
        permission="profile:write",
        operation_id="update_profile",
        fails=(BadCredentials, NameTaken, PasswordCommon),
    )
    @inject
    async def update_profile(
        self, request: Call, data: JSONBody[PatchProfile], profile: FromDishka[ManageProfile]
    ) -> User:
        """Change your email, settings or password

        A merge patch (RFC 7396). A new `password` needs the `current_password`, and logs you out
        everywhere else.
        """
        return await profile.patch(request.user, request.auth, data)

    @put("/profile", permission="profile:write", operation_id="replace_profile", fails=(NameTaken,))
    @inject
    async def replace_profile(
        self, request: Call, data: JSONBody[PutProfile], profile: FromDishka[ManageProfile]
    ) -> User:
        """Replace your email and settings"""
        return await profile.replace(request.user, data)

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

    @post("/", permission="admin", operation_id="create_user", fails=(NameTaken, PasswordCommon))
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewUser], accounts: FromDishka[ManageAccounts]
    ) -> User:
        """Make a user"""
        return await accounts.create(request.user, data)

    @get("/{user_id:uuid}", permission="admin", operation_id="get_user")
    @inject
    async def read(
        self, request: Call, user_id: FromPath[UUID], accounts: FromDishka[ManageAccounts]
    ) -> User:
        """Read a user"""
        return await accounts.get(request.user, user_id)

    @patch(
        "/{user_id:uuid}",
        permission="admin",
        operation_id="update_user",
        fails=(LastAdministrator,),
    )
    @inject
    async def update(
        self,
        request: Call,
        user_id: FromPath[UUID],
        data: JSONBody[PatchUser],
        accounts: FromDishka[ManageAccounts],
    ) -> User:
        """Change a user's role, status or settings

        All that the user has open ends; the last administrator stays one.
        """
        return await accounts.change(request.user, user_id, data)

    @delete(
        "/{user_id:uuid}",
        permission="admin",
        operation_id="delete_user",
        fails=(LastAdministrator,),
    )
    @inject
    async def remove(
        self, request: Call, user_id: FromPath[UUID], accounts: FromDishka[ManageAccounts]
    ) -> None:
        """Delete a user

        With its credentials, agents and sessions; its runs are cancelled.
        """
        await accounts.delete(request.user, user_id)
