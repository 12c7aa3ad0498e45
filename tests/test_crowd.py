"""Who works at once, who only waits, and who is told to come again."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from unittest import IsolatedAsyncioTestCase

from portal import crowd
from portal.crowd import Crowd, Place

SOON = 0.05


class CrowdTests(IsolatedAsyncioTestCase):
    async def enter(self, of: Crowd) -> Place:
        place = await of.enter(SOON)
        assert place is not None
        return place

    async def test_only_so_many_work(self) -> None:
        made = Crowd(2, 4)
        first, _ = await self.enter(made), await self.enter(made)
        self.assertIsNone(await made.enter(SOON))
        first.leave()
        await self.enter(made)
        self.assertIsNone(await made.enter(SOON))

    async def test_who_waits_lets_another_work(self) -> None:
        made = Crowd(1, 3)
        for _ in range(3):
            place = await self.enter(made)
            # Twice is once.
            place.step_aside()
            place.step_aside()
            await asyncio.sleep(0)
        self.assertIsNone(await made.enter(SOON), "and not more than threads")
        place.leave()
        await self.enter(made)
        self.assertIsNone(await made.enter(SOON), "one works, whoever stepped aside and left")

    async def test_from_a_thread(self) -> None:
        made = Crowd(1, 2)
        place = await self.enter(made)
        await asyncio.to_thread(crowd.at, place, crowd.step_aside)
        await self.enter(made)

    def test_without_a_place_nothing_happens(self) -> None:
        """As in the worker and the connector."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(crowd.step_aside).result()

    async def test_patience_that_ended_takes_no_place(self) -> None:
        made = Crowd(1, 2)
        place = await self.enter(made)
        for _ in range(5):
            self.assertIsNone(await made.enter(0.001))
        place.leave()
        place = await self.enter(made)
        place.step_aside()
        await asyncio.sleep(0)
        await self.enter(made)

    async def test_first_come_first_served(self) -> None:
        made, order = Crowd(1, 9), list[int]()
        place = await self.enter(made)

        async def come(number: int) -> None:
            mine = await made.enter(None)
            assert mine is not None
            order.append(number)
            mine.leave()

        tasks = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        place.leave()
        await asyncio.gather(*tasks)
        self.assertEqual(order, [0, 1, 2, 3, 4])
