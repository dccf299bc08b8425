"""How an authority is asked: by a library that blocks, in threads, and what goes wrong is an AuthorityError in words."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import josepy
import requests
from acme import errors, messages
from urllib3.exceptions import HTTPError

from pointsman_acme import schedule

T = TypeVar("T")
_MAX_WORDS: Final = 300


class AuthorityError(OSError):
    """The authority did not do what it was asked.

    `refused`: it looked into it and said no, and counts that; `limited`: it has had enough of us for now; `stranger`: it
    does not know the account.
    """

    def __init__(self, message: str, *, refused: bool = False, limited: bool = False, stranger: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        self.retry_after = schedule.UNTOLD if limited else 0.0
        """Seconds that it wants to be left alone."""
        self.stranger = stranger

    def until(self, seconds: float) -> "AuthorityError":
        """The same of an authority that wants to be left alone for so long."""
        error = AuthorityError(str(self), refused=self.refused, stranger=self.stranger)
        error.retry_after = seconds
        return error


def translated(call: Callable[..., T], *arguments: Any) -> T:
    """What goes wrong, as an AuthorityError in words."""
    try:
        return call(*arguments)
    except AuthorityError:
        raise
    except messages.Error as error:
        limited = error.code == "rateLimited"
        why = words(str(error.detail or error.description or error.typ))
        stranger = error.code == "accountDoesNotExist"
        refused = not limited and not stranger and error.code != "serverInternal"
        raise AuthorityError(why, refused=refused, limited=limited, stranger=stranger) from None
    except requests.exceptions.SSLError:
        raise AuthorityError("its certificate is not trusted; see caCertificates, caServerName") from None
    except requests.exceptions.ConnectTimeout:
        raise AuthorityError("does not answer") from None
    except requests.exceptions.ReadTimeout:
        raise AuthorityError("did not answer in time (clientResponseHeaderTimeout)") from None
    except requests.exceptions.ConnectionError:
        raise AuthorityError("cannot be reached") from None
    except (errors.Error, josepy.errors.Error, requests.exceptions.RequestException, HTTPError) as error:
        raise AuthorityError(f"gave an answer that no ACME server gives ({type(error).__name__})") from None
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise AuthorityError(f"gave an answer that cannot be understood ({type(error).__name__})") from None


def words(text: str) -> str:
    """On one line, of a length that a log can bear."""
    return "".join(each if each.isprintable() else " " for each in text)[:_MAX_WORDS]


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Call it in a thread of its own, which nobody waits for when the gateway stops."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = call(*arguments)
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=run, daemon=True, name="acme").start()
    return await answer
