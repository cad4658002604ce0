"""A fine-tuning that has to stop by the clock."""

from __future__ import annotations

from transformers import TrainerCallback

from train.loop.deadline import Deadline


class StopInTime(TrainerCallback):
    """Save the state and stop once the deadline has passed, or a signal said so.

    Attributes:
        has_stopped: whether that came before the last step.
    """

    def __init__(self, deadline: Deadline):
        self.deadline = deadline
        self.has_stopped = False

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps or self.has_stopped:
            return
        if self.deadline.has_passed(state.global_step % args.logging_steps == 0):
            self.has_stopped = True
            control.should_training_stop = control.should_save = True

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.has_stopped and state.epoch % 1:  # cut short: no epoch to judge the model by
            control.should_evaluate = control.should_save = False
