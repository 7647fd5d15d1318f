"""
Where LocalStack 4.9.2 finds this package: it picks the executor by LAMBDA_RUNTIME_EXECUTOR=process when its Lambda provider
starts, and calls `start` when it starts itself.
"""

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

NEWER_RUNTIMES = ["nodejs24.x"]
"""Lambda has them, the list of this LocalStack does not."""


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *args, **kwargs):
        from localstack.services.lambda_ import runtimes
        from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment

        from misa_local_aws.executor import ProcessExecutor

        runtimes.ALL_RUNTIMES.extend(name for name in NEWER_RUNTIMES if name not in runtimes.ALL_RUNTIMES)

        # Logs go to the group of the function's LoggingConfig, which LocalStack keeps and does not heed.
        usual = ExecutionEnvironment.get_log_group_name

        def log_group_name(self) -> str:
            settings = self.function_version.config.logging_config or {}
            return settings.get("LogGroup") or usual(self)

        ExecutionEnvironment.get_log_group_name = log_group_name
        return ProcessExecutor


@hooks.on_infra_start()
def start() -> None:
    from misa_local_aws import custom_resources

    custom_resources.start()
