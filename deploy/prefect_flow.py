"""The stages, and a month's work, as Prefect flows: `python deploy/prefect_flow.py` serves them.

A stage is cached by the digest of what it needs, and runs again if its results are gone."""

from subprocess import CompletedProcess, run

from prefect import flow, serve, task

OPTIONS = {"02_train": [], "03_tune": [], "04_select": [], "05_score": [], "06_monitor": []}
RETRY = {"retries": 2, "retry_delay_seconds": 60, "log_prints": True}


def taxi_duration(*words: str) -> CompletedProcess:
    done = run(["taxi-duration", *words], capture_output=True, text=True)
    print(done.stdout)
    if done.returncode not in (0, 3):  # 3 is the alarm of the month
        raise RuntimeError(f"Exit code {done.returncode}: {done.stderr}")
    return done


@task(**RETRY, persist_result=True, cache_key_fn=lambda _context, given: given["digest"])
def stage(words: list[str], digest: str) -> str:  # noqa: ARG001
    return taxi_duration("run", *words).stdout


@flow
def stages(options: dict[str, list[str]] = OPTIONS) -> None:
    for words in ([name, *options[name]] for name in options):
        _, digest, state = taxi_duration("run", *words, "--dry-run").stdout.split(maxsplit=2)
        stage.with_options(name=words[0], refresh_cache="nothing" not in state)(words, digest)


@flow
def month(options: list[str] = ["--source", "tlc"]) -> None:
    if (done := task(taxi_duration, name="month", **RETRY)("month", *options)).returncode == 3:
        raise RuntimeError(f"A person has to act.\n{done.stdout}")


if __name__ == "__main__":
    serve(stages.to_deployment("stages"), month.to_deployment("monthly", cron="0 6 20 * *"))
