"""Where the time of a training step goes, by operation."""

from __future__ import annotations

from torch.profiler import ProfilerActivity, profile

from benchmarks.training import Ours

_STEPS, _LISTED = 3, 12


def busiest_operations(ours: Ours) -> list[dict]:
    """Operations of a few training steps by their own time, as shares of all of it."""
    on_gpu = ours.run.accelerator.device.type == "cuda"
    activities = [ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]
    ours.learn(ours.data())
    with profile(activities=activities) as profiled:
        for _ in range(_STEPS):
            ours.learn(ours.data())
    clock = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(profiled.key_averages(), key=lambda e: getattr(e, clock), reverse=True)
    total = sum(getattr(event, clock) for event in events)
    return [
        {"operation": e.key, "share": getattr(e, clock) / total, "calls": e.count // _STEPS}
        for e in events[:_LISTED]
    ]
