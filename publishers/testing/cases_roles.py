"""The optional roles an adapter has: delete, measure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from publishers.api import Deletes, Gone, MeasuresPosts, Metrics
from publishers.testing.bench import needs, trial
from publishers.testing.platform import PlatformUnderTest


class RoleCases:
    def test_deleting_twice_is_no_error(self, platform: PlatformUnderTest) -> None:
        needs(isinstance(platform.adapter, Deletes), "delete")
        assert platform.adapter.capabilities.can_delete
        one = trial(platform)
        record = one.run()
        one.assert_published_once(record)
        _delete(platform, record.remote_id)
        assert one.live() == []
        _delete(platform, record.remote_id)

    def test_metrics_of_a_publication(self, platform: PlatformUnderTest) -> None:
        needs(isinstance(platform.adapter, MeasuresPosts), "metrics")
        one = trial(platform)
        record = one.run()
        measured = _measure(platform, [record.remote_id])
        metrics = measured[record.remote_id]
        assert isinstance(metrics, Metrics)
        named = platform.adapter.capabilities.metrics
        assert named
        for name in named:
            value = getattr(metrics, name)
            assert value is None or value >= 0

    def test_what_was_deleted_is_gone(self, platform: PlatformUnderTest) -> None:
        needs(isinstance(platform.adapter, MeasuresPosts) and isinstance(platform.adapter, Deletes), "metrics, delete")
        kept, removed = trial(platform), trial(platform)
        stays, goes = kept.run().remote_id, removed.run().remote_id
        _delete(platform, goes)
        measured = _measure(platform, [goes, stays])
        assert isinstance(measured[goes], Gone)
        assert isinstance(measured[stays], Metrics)


def _delete(platform: PlatformUnderTest, remote_id: str) -> None:
    async def call() -> None:
        async with platform.open_context(platform.tokens, "") as context:
            assert isinstance(platform.adapter, Deletes)
            await platform.adapter.delete(context, remote_id)

    asyncio.run(call())


def _measure(platform: PlatformUnderTest, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
    async def call() -> Mapping[str, Metrics | Gone]:
        async with platform.open_context(platform.tokens, "") as context:
            assert isinstance(platform.adapter, MeasuresPosts)
            return await platform.adapter.post_metrics(context, remote_ids)

    return asyncio.run(call())
