"""Accelerate's launcher, as the tests use it."""


def launcher(processes: int) -> list[str]:
    """Arguments of Python that start what follows as so many processes on CPUs."""
    # The launcher's word for several processes; with `--cpu` it would start one, whatever we ask.
    device = "--multi_gpu" if processes > 1 else "--cpu"
    command = ["-m", "accelerate.commands.launch", device, f"--num_processes={processes}"]
    command += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    return [*command, "--num_cpu_threads_per_process=1", "--main_process_port=0"]
