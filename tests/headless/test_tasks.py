import asyncio
from typing import Any

from headless.tasks import end_tasks


async def hangs() -> None:
    await asyncio.Event().wait()


async def fails_when_cancelled() -> None:
    try:
        await hangs()
    finally:
        raise ValueError("a bug in the clean-up")


def test_what_a_task_raises_at_the_end_is_reported_and_the_others_end() -> None:
    async def scenario() -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        tasks = [asyncio.create_task(work()) for work in (fails_when_cancelled, hangs, hangs)]
        await asyncio.sleep(0)
        await end_tasks(tasks)
        assert all(task.done() for task in tasks)
        assert [(str(one["exception"]), one["task"]) for one in reported] == [
            ("a bug in the clean-up", tasks[0])
        ]

    asyncio.run(scenario())


def test_no_tasks_are_no_trouble() -> None:
    asyncio.run(end_tasks([]))
