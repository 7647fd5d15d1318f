"""
Custom resources of CloudFormation, which the open-source LocalStack reports as complete without a call of their function. And
its deployments look at each resource every five seconds; here more often.
"""

import json
import threading
import uuid
from concurrent.futures import Future, TimeoutError

from localstack import config
from localstack.http import Response
from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceProviderExecutor,
)
from localstack.services.edge import ROUTER

PATH = "/_misa_local_aws/answers"
LOOK_SECONDS = 0.1
DEFAULT_TIMEOUT_SECONDS = 3600

answers: dict[str, Future] = {}
"""Of the functions that were asked and have not answered, by the last part of the address to answer to."""


def start() -> None:
    ROUTER.add(f"{PATH}/<token>", endpoint=put_answer, methods=["PUT"])
    ResourceProviderExecutor.deploy_loop.__defaults__ = (config.CFN_PER_RESOURCE_TIMEOUT, LOOK_SECONDS)


def put_answer(request, token: str) -> Response:
    answer = answers.get(token)
    if answer is None or answer.done():
        return Response(status=404)
    answer.set_result(json.loads(request.data))
    return Response(status=200)


def as_strings(value):
    """CloudFormation hands scalars over as strings."""
    if isinstance(value, dict):
        return {name: as_strings(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_strings(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def event_of(request, kind: str, token: str) -> dict:
    before = request.previous_state or {}
    wanted = {name: value for name, value in request.desired_state.items() if name != "PhysicalResourceId"}
    event = {
        "RequestType": kind,
        "RequestId": str(uuid.uuid4()),
        "StackId": request.stack_id,
        "LogicalResourceId": request.logical_resource_id,
        "ResourceType": request.resource_type,
        "ResponseURL": f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}{PATH}/{token}",
        "ServiceToken": wanted["ServiceToken"],
        "ResourceProperties": as_strings(wanted),
    }
    if kind != "Create":
        event["PhysicalResourceId"] = before.get("PhysicalResourceId") or request.desired_state.get("PhysicalResourceId")
    if kind == "Update":
        event["OldResourceProperties"] = as_strings(before)
    return event


def ask(client, event: dict, token: str, timeout_seconds: float) -> dict:
    """Calls the function. @returns its answer, or one that says why there is none"""
    answer = answers[token] = Future()

    def call() -> None:
        # Not as an event, as AWS does: for some seconds after an update LocalStack may lay an event aside for minutes.
        try:
            result = client.invoke(FunctionName=event["ServiceToken"], Payload=json.dumps(event))
            failed = result["Payload"].read().decode() if result.get("FunctionError") else None
        except Exception as e:
            failed = str(e)
        if failed is not None and not answer.done():
            answer.set_result({"Status": "FAILED", "Reason": failed})

    threading.Thread(target=call, daemon=True).start()
    try:
        return answer.result(timeout=timeout_seconds)
    except TimeoutError:
        reason = "CloudFormation did not receive a response from your Custom Resource."
        return {"Status": "FAILED", "Reason": reason}
    finally:
        answers.pop(token)


class CustomResourceProvider(ResourceProvider):
    TYPE = "AWS::CloudFormation::CustomResource"
    SCHEMA = {"primaryIdentifier": ["/properties/PhysicalResourceId"]}

    def _ask(self, request, kind: str) -> ProgressEvent:
        token = uuid.uuid4().hex
        event = event_of(request, kind, token)
        wanted = {name: value for name, value in request.desired_state.items() if name != "PhysicalResourceId"}
        timeout = float(wanted.get("ServiceTimeout", DEFAULT_TIMEOUT_SECONDS))
        got = ask(request.aws_client_factory.lambda_, event, token, timeout)
        physical = got.get("PhysicalResourceId") or event.get("PhysicalResourceId")
        model = {**wanted, **(got.get("Data") or {}), "PhysicalResourceId": physical}
        if got.get("Status") == "SUCCESS":
            return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)
        reason = f"Received response status [FAILED] from custom resource. Message returned: {got.get('Reason')}"
        return ProgressEvent(OperationStatus.FAILED, resource_model=model, message=reason)

    def create(self, request) -> ProgressEvent:
        return self._ask(request, "Create")

    def update(self, request) -> ProgressEvent:
        return self._ask(request, "Update")

    def delete(self, request) -> ProgressEvent:
        return self._ask(request, "Delete")


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):
    name = CustomResourceProvider.TYPE

    def load(self) -> None:
        self.factory = CustomResourceProvider
