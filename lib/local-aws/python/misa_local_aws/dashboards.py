"""Dashboards of CloudWatch in CloudFormation: LocalStack has the service, and the open-source one no resource for it."""

from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
)

LONGEST_NAME = 255


class DashboardProvider(ResourceProvider):
    TYPE = "AWS::CloudWatch::Dashboard"
    SCHEMA = {"primaryIdentifier": ["/properties/DashboardName"]}

    def create(self, request) -> ProgressEvent:
        model = request.desired_state
        model.setdefault("DashboardName", f"{request.stack_name}-{request.logical_resource_id}"[:LONGEST_NAME])
        cloudwatch = request.aws_client_factory.cloudwatch
        cloudwatch.put_dashboard(DashboardName=model["DashboardName"], DashboardBody=model["DashboardBody"])
        return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)

    def update(self, request) -> ProgressEvent:
        request.desired_state.setdefault("DashboardName", (request.previous_state or {}).get("DashboardName"))
        return self.create(request)

    def delete(self, request) -> ProgressEvent:
        cloudwatch = request.aws_client_factory.cloudwatch
        cloudwatch.delete_dashboards(DashboardNames=[request.desired_state["DashboardName"]])
        return ProgressEvent(OperationStatus.SUCCESS, resource_model={})


class DashboardPlugin(CloudFormationResourceProviderPlugin):
    name = DashboardProvider.TYPE

    def load(self) -> None:
        self.factory = DashboardProvider
