"""
ministack 1.5.33 as it is, but that its functions stand still between invocations and are killed where they take more memory
than they have, as on AWS. (It keeps their time-outs itself.) Run in the place of the module `ministack`.
"""

import math

from ministack.app import main
from ministack.core import lambda_runtime
from ministack.core.lambda_runtime import Worker

from misa_local_aws import invocation_log, processes

usual_invoke = Worker.invoke
usual_spawn = Worker._spawn
usual_signal = lambda_runtime._signal


def is_running(process) -> bool:
    return process is not None and process.poll() is None


class MemoryLimit:
    """Of one invocation; the process may be there when it begins, or be started by it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.watch: processes.Watch | None = None
        self.passed = False

    def keep(self) -> None:
        self.end()  # of a process that ended before the invocation reached it
        limit_bytes = self.worker.config.get("MemorySize", 128) * 2**20
        self.watch = processes.Watch(self.worker._proc.pid, math.inf, limit_bytes, self._pass)

    def _pass(self, _kind: str) -> None:
        self.passed = True
        process = self.worker._proc
        if is_running(process):
            process.kill()

    def end(self) -> None:
        if self.watch is not None:
            self.watch.end()


def invoke(self, event, request_id, **options):
    limit = self.memory_limit = MemoryLimit(self)
    if is_running(self._proc):
        limit.keep()
        processes.thaw(self._proc.pid)
    try:
        result = usual_invoke(self, event, request_id, **options)
    finally:
        self.memory_limit = None
        limit.end()
    if limit.passed and result.get("status") == "error":
        text = invocation_log.exit_text(-9)
        result["error"] = f"RequestId: {request_id} Error: {text}"
    if is_running(self._proc):
        processes.freeze(self._proc.pid)
    return result


def spawn(self):
    usual_spawn(self)
    limit = getattr(self, "memory_limit", None)
    if limit is not None:
        limit.keep()


def signal(process) -> None:
    usual_signal(process)
    if is_running(process):
        processes.thaw(process.pid)  # else it would not see that it is asked to end


Worker.invoke = invoke
Worker._spawn = spawn
lambda_runtime._signal = signal

if __name__ == "__main__":
    main()
