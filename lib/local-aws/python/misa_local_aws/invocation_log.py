"""What Lambda itself writes into the log of an invocation, and answers in the place of a function that did not."""

import json
from datetime import datetime, timezone


def failure(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def time_out_text(seconds: float) -> str:
    return f"Task timed out after {seconds:.2f} seconds"


def exit_text(code: int) -> str:
    """@param code as Python has it: negative for a signal"""
    if code == 0:
        return "Runtime exited without providing a reason"
    reason = {-9: "signal: killed", -15: "signal: terminated", -6: "signal: aborted"}.get(code)
    if reason is None:
        reason = f"exit status {code}" if code > 0 else f"signal: {-code}"
    return f"Runtime exited with error: {reason}"


def start_line(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}\n"


def end_lines(request_id: str, took_seconds: float, memory_mib: int, used_bytes: int) -> str:
    took_ms = took_seconds * 1000
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {took_ms:.2f} ms",
        f"Billed Duration: {int(took_ms) + 1} ms",
        f"Memory Size: {memory_mib} MB",
        f"Max Memory Used: {min(memory_mib, used_bytes // 2**20)} MB",
    ]
    return f"END RequestId: {request_id}\n" + "\t".join(fields) + "\n"


def time_out_line(request_id: str, seconds: float) -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{now} {request_id} {time_out_text(seconds)}\n"


def exit_lines(request_id: str, text: str) -> str:
    return f"RequestId: {request_id} Error: {text}\nRuntime.ExitError\n"
