"""Functions that stop and go on: generators and coroutines of which each part runs inside a block.

Between two parts the block is left, so what the caller does there runs as if the block were not there.
"""

from __future__ import annotations

import functools
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

Block = Callable[[], Any]


def wrap(function: Callable[..., Any], block: Block) -> Callable[..., Any] | None:
    """``function`` with each of its parts inside ``block()``; None for a function that does not stop."""
    import inspect  # 4 ms, which `import tapeloom` need not pay

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return (yield from _resumed(function(*args, **kwargs), block))

        return generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await _awaited(function(*args, **kwargs), block)

        return coroutine
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            steps = function(*args, **kwargs)
            step = steps.asend(None)
            while True:
                try:
                    item = await _awaited(step, block)
                except StopAsyncIteration:
                    return
                try:
                    step = steps.asend((yield item))
                except GeneratorExit:
                    await _awaited(steps.aclose(), block)
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on
                    step = steps.athrow(error)

        return async_generator
    return None


def _resumed(parts: Any, block: Block) -> Generator[Any, Any, Any]:
    """What ``parts`` yields and returns; whatever is sent, thrown and closed reaches it inside a block of its own."""
    resume, given = parts.send, None
    try:
        while True:
            with block():
                item = resume(given)
            try:
                resume, given = parts.send, (yield item)
            except GeneratorExit:
                with block():
                    parts.close()
                raise
            except BaseException as error:  # noqa: BLE001 - handed on
                resume, given = parts.throw, error
    except StopIteration as end:
        return end.value
    finally:
        given = None  # an error that was thrown in would hold itself, by its traceback


@types.coroutine
def _awaited(awaitable: Awaitable[Any], block: Block) -> Generator[Any, Any, Any]:
    return (yield from _resumed(awaitable.__await__(), block))
