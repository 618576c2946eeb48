"""Programs that start in a moment: forks of a process that has imported what takes seconds."""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest.mock import patch

from tqdm import tqdm

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "IPython.core.completerlib",
        "IPython.extensions.storemagic",
        "alembic.command",
        "filelock",
        "forks",
        "git",
        "ipykernel.kernelapp",
        "markdown_it",
        "matplotlib.backends.backend_agg",
        "mlflow.pyfunc",
        "mlflow.store.model_registry.sqlalchemy_workspace_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "mlflow.tracing.processor.otel",
        "papermill",
        "pyarrow.pandas_compat",
        "pyarrow.parquet",
        "skops.io",
        "sqlalchemy.dialects.sqlite",
        "taxi_duration.cli.main",
        "taxi_duration.evaluation.backtest",
        "taxi_duration.evaluation.explanation",
        "taxi_duration.notebooks.pipeline",
        "taxi_duration.plots",
        "taxi_duration.registry.card",
        "taxi_duration.registry.promotion",
        "taxi_duration.serving.batch",
        "taxi_duration.serving.server_process",
        "taxi_duration.serving.monitoring",
        "taxi_duration.tracking.search",
        "tornado.platform.asyncio",
        "xgboost",
    ]
)
PATH = list(sys.path)  # MLflow adds the code of models that it loads
ONE_THREAD = {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"}  # more take longer for few rides
COMMAND = "import sys; from taxi_duration.cli.main import main; sys.exit(main())"
KERNEL = """
import os, runpy, sys
os.setsid()
sys.modules["debugpy"] = None  # no test needs a debugger, which takes longer than all else
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
"""


def start(code, *words, out=os.devnull, err=os.devnull, environment=None):
    """Run code in a process of its own, in this folder and environment.

    Parameters
    ----------
    words
        Its `sys.argv[1:]`.
    out, err : path
        Files for what it prints.
    environment : dict
        Of the process, if not that of this one.
    """
    variables = dict(environment or os.environ)
    how = code, [str(word) for word in words], variables, str(out), str(err)
    process = FORKS.Process(target=_run, args=how, daemon=True)
    with patch("sys.path", PATH):
        process.start()
    return process


def end(process):
    """Wait until a process has ended; return its exit code."""
    process.join(300)
    assert process.exitcode is not None
    return process.exitcode


@contextmanager
def kernels():
    """Start kernels in this way too, for a while."""
    with patch("jupyter_client.provisioning.local_provisioner.launch_kernel", _Kernel):
        yield


class _Kernel:
    """A kernel's process, as `jupyter_client` handles one."""

    stdin = stdout = stderr = None

    def __init__(self, words, *, env, cwd=None, **_streams):
        with chdir(cwd or Path.cwd()):
            # the words after python -m module
            self.process = start(KERNEL, *words[3:], environment=env | ONE_THREAD)
        self.pid = self.process.pid
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.001)

    def poll(self):
        return self.process.exitcode

    def wait(self):
        return end(self.process)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def terminate(self):
        self.process.terminate()

    def kill(self):
        self.process.kill()


def _run(code, words, environment, out, err):
    for number, path in enumerate((out, err), 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir, sys.argv[1:] = None, words
    sys.path.insert(0, "")
    tqdm.set_lock(threading.RLock())  # its own kind of lock outlives a process that is killed
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
