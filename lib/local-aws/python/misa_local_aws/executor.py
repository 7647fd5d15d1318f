"""
LocalStack's RuntimeExecutor without containers: each execution environment is one `node bootstrap.mjs` on loopback, which
stays warm, and frozen, between invocations. Limits are kept here, as a handler that blocks its event loop cannot keep them.
A process that was killed, or ended, is replaced by a fresh one at the next invocation. Output goes to a file, so that logs of
killed processes are complete.
"""

import dataclasses
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future, InvalidStateError
from pathlib import Path

import requests
from localstack import config
from localstack.aws.connect import connect_to
from localstack.services.lambda_.invocation.executor_endpoint import ExecutorEndpoint, StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor
from localstack.utils.cloudwatch.cloudwatch_util import store_cloudwatch_logs

from misa_local_aws import invocation_log, processes

LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
BOOTSTRAP = Path(__file__).with_name("bootstrap.mjs")
NODE = os.environ.get("MISA_LOCAL_NODE") or shutil.which("node")


class ProcessEndpoint(ExecutorEndpoint):
    def status_ready(self, request, executor_id):
        self.container_port = request.json["port"]  # the process has chosen it: no race for one that is free
        return super().status_ready(request, executor_id)


def settle(future: Future | None, *, result=None, error=None) -> None:
    try:
        if future is not None:
            future.set_exception(error) if error else future.set_result(result)
    except InvalidStateError:
        pass  # it came in the very moment


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self.endpoint = ProcessEndpoint(id, container_address=HOST)
        self.process: subprocess.Popen | None = None
        self.ended: threading.Thread | None = None
        self.request_id = ""
        self.folder: Path | None = None
        self.env: dict[str, str] = {}
        self.last_lines = ""

    # Of a version

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        runtime = function_version.config.runtime or "of an image"
        if not runtime.startswith("nodejs"):
            raise ValueError(f"runtime {runtime}: only nodejs runs without containers")
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass  # LocalStack deletes the unpacked code itself

    @classmethod
    def validate_environment(cls) -> bool:
        return NODE is not None

    # Of an environment

    def start(self, env_vars: dict[str, str]) -> None:
        version = self.function_version
        self.folder = Path(tempfile.mkdtemp(prefix=f"lambda-{version.id.function_name[:40]}-"))
        (self.folder / "tmp").mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "TMPDIR": str(self.folder / "tmp"),  # /tmp itself is the machine's
            **{name: str(value) for name, value in env_vars.items() if value is not None},
            "LAMBDA_TASK_ROOT": str(version.config.code.get_unzipped_code_location()),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.config.runtime}",
        }
        self._spawn()

    def _spawn(self) -> None:
        self.endpoint.start()
        self.last_lines = ""
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [NODE, *self._memory_options(), str(BOOTSTRAP)],
                env=self.env,
                cwd=self.env["LAMBDA_TASK_ROOT"],
                stdin=subprocess.PIPE,  # closes with this process, even if it is killed: the function ends then
                stdout=log,
                stderr=log,
            )
        self.ended = threading.Thread(target=self._wait, args=(self.process,), daemon=True)
        self.ended.start()
        try:
            self.endpoint.wait_for_startup()
        except StatusErrorException:
            self._store_log(self._read_log(offset))
            raise

    def _memory_options(self) -> list[str]:
        """As Lambda's own runtime starts node."""
        new_space = self.function_version.config.memory_size // 10
        old_space = self.function_version.config.memory_size - new_space
        return [f"--max-semi-space-size={new_space // 2}", f"--max-old-space-size={old_space}"]

    def _wait(self, process: subprocess.Popen) -> None:
        text = invocation_log.exit_text(process.wait())
        message = f"RequestId: {self.request_id} Error: {text}"
        payload = invocation_log.failure("Runtime.ExitError", message)
        if not self.last_lines:
            self.last_lines = invocation_log.exit_lines(self.request_id, text)
        settle(self.endpoint.startup_future, error=StatusErrorException(message, payload))
        settle(self.endpoint.invocation_future, result=InvocationResult(self.request_id, payload, True, None))

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        self.request_id = payload["invoke-id"]
        if self.process.poll() is not None:
            self.ended.join()  # else it might take the new process's start for its own
            self._spawn()
        settings = self.function_version.config
        process, began, offset = self.process, time.monotonic(), self.log.stat().st_size
        self.last_lines = ""

        def on_limit(kind: str) -> None:
            if kind == "time":
                self.last_lines = invocation_log.time_out_line(self.request_id, settings.timeout)
                message = f"RequestId: {self.request_id} Error: {invocation_log.time_out_text(settings.timeout)}"
                answer = invocation_log.failure("Sandbox.Timedout", message)
                settle(self.endpoint.invocation_future, result=InvocationResult(self.request_id, answer, True, None))
            self._kill(process)  # before the environment is given to the next invocation

        watch = processes.Watch(process.pid, settings.timeout, settings.memory_size * 2**20, on_limit)
        processes.thaw(process.pid)
        try:
            result = self.endpoint.invoke(payload)
        except requests.exceptions.ConnectionError:
            if process.poll() is None:
                raise
            self.ended.join()
            result = self.endpoint.invocation_future.result()
        finally:
            watch.end()
        if process.poll() is None:
            processes.freeze(process.pid)
        head = invocation_log.start_line(self.request_id, self.function_version.id.qualifier)
        took = time.monotonic() - began
        most_bytes = max(watch.most_bytes, processes.memory_bytes(process.pid))
        tail = invocation_log.end_lines(self.request_id, took, settings.memory_size, most_bytes)
        return dataclasses.replace(result, logs=head + self._read_log(offset) + self.last_lines + tail)

    def _kill(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self._kill(self.process)
            self.process.stdin.close()
        try:
            self.endpoint.shutdown()
        except Exception as e:
            LOG.debug("Stopping %s: %s", self.id, e)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    # Logs

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def _read_log(self, offset: int) -> str:
        with open(self.log, "rb") as log:
            log.seek(offset)
            text = log.read().decode(errors="replace")
        return text if text == "" or text.endswith("\n") else text + "\n"

    def _store_log(self, text: str) -> None:
        """Of an environment that did not start: LocalStack asks for none then, and it is there on AWS."""
        try:
            version = self.function_version.id
            logs = connect_to(aws_access_key_id=version.account, region_name=version.region).logs
            store_cloudwatch_logs(
                logs, self.env["AWS_LAMBDA_LOG_GROUP_NAME"], self.env["AWS_LAMBDA_LOG_STREAM_NAME"], text
            )
        except Exception as e:
            LOG.warning("The log of an environment that did not start cannot be stored: %s", e)

    def get_logs(self) -> str:
        return self.log.read_text(errors="replace") if self.folder and self.log.exists() else ""

    # Where it is

    def get_address(self) -> str:
        return HOST

    def get_endpoint_from_executor(self) -> str:
        return HOST

    def get_runtime_endpoint(self) -> str:
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}{self.endpoint.get_endpoint_prefix()}"
