"""A fine-tuning that saves its state between epochs, and has to stop by the clock."""

from __future__ import annotations

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState

from train.loop.deadline import Deadline, Interval


def without_gain(state: TrainerState) -> int:
    """Epochs judged since the best."""
    best = state.best_global_step or 0
    return sum("eval_accuracy" in line and line["step"] > best for line in state.log_history)


class Patience(EarlyStoppingCallback):
    """Early stopping whose count a resumed run takes up: the Trainer would begin at 0 again."""

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        self.early_stopping_patience_counter = without_gain(state)


class StopInTime(TrainerCallback):
    """Save the state now and then; save it and stop once the deadline has passed, or at a signal.

    Args:
        deadline: when to stop.
        every: steps between states; 0: they are saved after each epoch alone.
        interval: the most minutes between them.

    Attributes:
        has_stopped: whether that came before the last step.
    """

    def __init__(self, deadline: Deadline, every: int, interval: Interval):
        self.deadline = deadline
        self.every, self.interval = every, interval
        self.has_stopped = False

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps or self.has_stopped:
            return
        all_ask = state.global_step % args.logging_steps == 0
        is_time = self.interval.has_passed(all_ask)
        if is_time or (self.every and state.global_step % self.every == 0):
            control.should_save = True
        if self.deadline.has_passed(all_ask):
            self.has_stopped = True
            control.should_training_stop = control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        self.interval.restart()

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.has_stopped and state.epoch % 1:  # cut short: no epoch to judge the model by
            control.should_evaluate = control.should_save = False
