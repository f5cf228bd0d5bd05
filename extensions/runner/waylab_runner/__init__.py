"""Runs the notebook of a ClearML task, inside the job.

`python -m waylab_runner`, or the task's own script through `clearml-agent execute`,
calls `main`. What an agent may rely on:

* Environment: `CLEARML_TASK_ID` and the SDK's variables (`CLEARML_API_HOST`, ... with
  `CLEARML_AUTH_TOKEN` or a key pair). `WAYLAB_JOB_DIR` names the job's folder (default:
  a temporary one): the runner unpacks into `work/` below it and leaves `output.ipynb`
  and `verdict.json` there.
* The order at the end: files uploaded, `verdict.json` written, configuration item
  `waylab_verdict` set, then the task's status with reason and message, then the exit.
  Exit codes: 0 completed, 1 failed, 143 stopped (aborted). So an agent that finds the
  task in its final status leaves it alone; finds `verdict.json` but an unfinished task,
  repeats that verdict; and finds neither, decides itself. Whatever marks the task after
  the runner must do so without `force`: `clearml-agent execute` without
  `--disable-monitoring` does, and the server refuses it.
* SIGTERM (or SIGINT) means abort: the cell is interrupted, after 3 s the kernel is
  killed, what there is of the output is kept, and the task marked stopped. This takes
  about 5 s with a server that answers; allow 20 s before SIGKILL.
* The kernel is a session (and process group) of its own. It ends by itself within a
  second or two of the runner's death, but killing the runner's group does not reach it:
  kill the descendants as well.
"""


def main() -> int:
    """Run the task's notebook; give the exit code."""
    from waylab_runner.job import run_job  # noqa: PLC0415 - keeps the import cheap.

    return run_job()
