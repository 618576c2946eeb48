"""The stages and a month's work as Kubeflow pipelines: `python deploy/kubeflow_pipeline.py IMAGE`.

The image has taxi-duration[notebooks,kubeflow], the notebooks and MLFLOW_TRACKING_URI. Kubeflow
caches nothing: the command skips what has not changed, if `--into` names a volume that is kept."""

import sys

from kfp import compiler, dsl

OPTIONS = {"02_train": [], "03_tune": [], "04_select": [], "05_score": [], "06_monitor": []}


def taxi_duration(words: list) -> str:
    """Run the command and return what it prints; the alarm, exit code 3, is a failure, too."""
    import subprocess

    return subprocess.check_output(["taxi-duration", *words], text=True)


def pipelines(image: str, options: dict[str, list[str]] = OPTIONS) -> dict:
    """Return both pipelines by name; the options of each stage are part of the first one."""
    run = dsl.component(taxi_duration, base_image=image, install_kfp_package=False)

    @dsl.pipeline(name="taxi-duration-stages")
    def stages() -> None:
        before = []
        for name in options:
            task = run(words=["run", name, *options[name]]).after(*before)
            before = [task.set_display_name(name).set_caching_options(False).set_retry(2)]

    @dsl.pipeline(name="taxi-duration-month")
    def month(words: list = ["month", "--source", "tlc"]) -> str:
        return run(words=words).set_caching_options(False).output

    return {"stages": stages, "month": month}


if __name__ == "__main__":
    for name, pipeline in pipelines(sys.argv[1]).items():
        compiler.Compiler().compile(pipeline, f"taxi-duration-{name}.yaml")
