"""Figures and limits of scored months, when they are an alarm, and what is recorded."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import load_split, load_trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import predict, score
from taxi_duration.models.intervals import calibrate
from taxi_duration.models.training import fit
from taxi_duration.months import GREEN, Month
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.batch import score_months
from taxi_duration.serving.drift import DRIFT_COLUMNS, drift
from taxi_duration.serving.monitoring import (
    EXPERIMENT,
    Limits,
    Reference,
    ScoredMonth,
    evaluate_months,
    monitor,
    reference_of,
    training_months,
)
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.training import record

FEW = {"n_estimators": 60, "threads": 1}
JANUARY = Month(2021, 1)
MEASURES = ["rmse", "mae", "bias", "within_5"]
TWO = "2021-02..2021-03"


@pytest.fixture(scope="module")
def fitted(months):
    return fit("xgboost", months.train, months.valid, **FEW)


@pytest.fixture(scope="module")
def reference(fitted, months):
    valid = predict(fitted, months.valid)
    return Reference(predict(fitted, months.train), score(valid)["rmse"], 0.8, "2021-01")


@pytest.fixture(scope="module")
def scored(fitted, months):
    """Score a month's rides, as they are or changed."""
    intervals = calibrate(predict(fitted, months.valid))

    def scored(month, rides, rejected=0):
        minutes = fitted.level * fitted.pipeline.predict(rides).astype(float)
        return ScoredMonth(
            month, rides.assign(predicted=minutes, **intervals.around(minutes)), rejected
        )

    return scored


@pytest.fixture(scope="module")
def april():
    return load_trips("2021-04").frame


def slow_rush(rides):
    rush = rides["pickup_datetime"].dt.hour.isin([7, 8, 9, 16, 17, 18, 19])
    return rides.assign(
        duration=rides["duration"].where(~rush, 1.6 * rides["duration"]).clip(upper=60)
    )


def close_a_zone(rides):
    return rides[rides["PULocationID"] != rides["PULocationID"].mode()[0]].reset_index(drop=True)


def test_a_month_is_scored_as_in_training_to_the_last_digit(scored, reference, fitted, months):
    (row,) = evaluate_months([scored("2021-03", months.test.frame)], reference).table.to_dict(
        "records"
    )
    expected = score(predict(fitted, months.test))
    for measure in ("rmse", "mae", "bias", "within_5"):
        assert row[measure] == expected[measure]


@pytest.mark.parametrize("month", ["2021-02", "2021-04", "2021-07", "2021-12"])
def test_an_ordinary_month_is_within_its_limits(scored, reference, month):
    report = evaluate_months([scored(month, load_trips(month).frame)], reference)
    assert report.table["verdict"].tolist() == [""]
    assert report.verdict == f"{month}: within its limits."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (slow_rush, r"rmse \d+% above that of the valid month"),
        (close_a_zone, r"pick-up zone drifted \(PSI 0\.\d\d\)"),
        (
            lambda rides: rides.assign(trip_distance=3 * rides["trip_distance"]),
            "distance .* drifted",
        ),
    ],
    ids=["rush hour slower", "zone closed", "kilometres for miles"],
)
def test_a_drifted_month_exceeds_a_limit(scored, reference, april, change, said):
    report = evaluate_months([scored("2021-04", change(april))], reference)
    assert report.table["verdict"].str.contains(said).tolist() == [True]


def test_a_missing_column_shows_as_rejected_rows(scored, reference, april):
    report = evaluate_months([scored("2021-04", april[:0], rejected=len(april))], reference)
    assert "100% of rows rejected" in report.table["verdict"][0]


def test_months_come_in_their_order_with_the_age_of_the_model(scored, reference, april):
    month = scored("2022-01", april)
    table = evaluate_months([month, replace(month, month="2021-04")], reference).table
    assert table[["month", "age"]].to_numpy().tolist() == [["2021-04", 3], ["2022-01", 12]]


def test_limits_can_be_set(scored, reference, april):
    report = evaluate_months(
        [scored("2021-04", april)], reference, limits=Limits(psi=0.0, months=1)
    )
    assert report.table["verdict"][0].count("drifted") == len(DRIFT_COLUMNS)
    assert report.alarm


def test_no_month_or_one_without_durations_is_an_error(scored, reference, april):
    with pytest.raises(ModelError, match="no scored month"):
        evaluate_months([], reference)
    with pytest.raises(ModelError, match="No duration of 2021-04 is known yet"):
        evaluate_months([scored("2021-04", april.assign(duration=np.nan))], reference)


# By hand: every ride is predicted to take 20 minutes, so that nothing drifts of itself.


def by_hand(*durations, month="2021-04", inside=None, zone=1, rejected=0):
    """A scored month; `inside` of its rides, or all of them, end within their interval."""
    number = len(durations)
    inside = number if inside is None else inside
    rides = pd.DataFrame(
        {
            "pickup_datetime": pd.Timestamp("2021-04-01 08:00"),
            "PULocationID": zone,
            "DOLocationID": 1,
            "trip_distance": 2.0,
            "duration": durations,
            "predicted": 20.0,
            "low": [0.0] * inside + [99.0] * (number - inside),
            "high": 99.0,
        }
    )
    return ScoredMonth(month, rides, rejected)


THEN = Reference(by_hand(20.0).predictions, rmse=4.0, coverage=1.0, last="2020-11")
ROUND = Limits(rmse=0.5, bias=2.0, coverage=0.25, rejected=0.25)  # exact in binary
WIDE = Limits(rmse=9, bias=9, coverage=9, rejected=9, psi=99)


def verdicts(*months, reference=THEN, limits=ROUND):
    return evaluate_months(months, reference, limits=limits).table["verdict"].tolist()


@pytest.mark.parametrize(
    ("durations", "said"),
    [
        ([14.0, 26.0], ""),
        ([13.0, 27.0], "rmse 75% above that of the valid month at training"),
        ([18.0, 18.0], ""),
        ([17.5, 17.5], "predictions 2.5 minutes too long"),
        ([22.0, 22.0], ""),
        ([22.5, 22.5], "predictions 2.5 minutes too short"),
    ],
)
def test_an_error_is_said_beyond_its_limit_and_not_at_it(durations, said):
    assert verdicts(by_hand(*durations, inside=1), reference=replace(THEN, coverage=0.5)) == [said]


@pytest.mark.parametrize(("minutes", "which"), [(19.5, "long"), (20.5, "short")])
def test_a_small_bias_has_its_direction_too(minutes, which):
    said = verdicts(by_hand(minutes), limits=replace(ROUND, bias=0.25))
    assert said == [f"predictions 0.5 minutes too {which}"]


@pytest.mark.parametrize(
    ("promised", "inside", "said"),
    [
        (0.75, 4, ""),
        (0.75, 3, "38% of rides in their 75% interval"),
        (0.50, 6, ""),
        (0.50, 7, "88% of rides in their 50% interval"),
    ],
)
def test_a_coverage_is_said_beyond_its_limit_either_way(promised, inside, said):
    month = by_hand(*[20.0] * 8, inside=inside)
    assert verdicts(month, reference=replace(THEN, coverage=promised)) == [said]


@pytest.mark.parametrize(("rejected", "said"), [(2, ""), (4, "40% of rows rejected")])
def test_rejected_rows_are_said_beyond_their_limit(rejected, said):
    assert verdicts(by_hand(*[20.0] * 6, rejected=rejected)) == [said]


def test_a_drift_is_said_beyond_its_limit_and_not_at_it():
    moved = by_hand(20.0, zone=2)
    psi = drift(moved.predictions, THEN.rides)["psi"].max()
    at, below = (replace(ROUND, psi=limit) for limit in (psi, np.nextafter(psi, 0)))
    assert verdicts(moved, limits=at) == [""]
    assert verdicts(moved, limits=below) == [f"pick-up zone drifted (PSI {psi:.2f})"]


def test_each_month_is_judged_by_its_own_drift():
    months = [
        by_hand(20.0, month=f"2021-0{each}", zone=zone) for each, zone in enumerate((1, 2, 1), 4)
    ]
    said = verdicts(*months)
    assert [bool(each) for each in said] == [False, True, False]
    assert said[1].startswith("pick-up zone drifted")


def test_only_rides_of_1_to_60_minutes_count_for_the_error_and_the_coverage():
    month = by_hand(0.9, 1.0, 60.0, 60.1, 60.1, inside=2)
    (row,) = evaluate_months([month], THEN, limits=WIDE).table.to_dict("records")
    assert (row["bias"], row["coverage"], row["rows"]) == (20 - 61 / 2, 0.5, 5)


def test_the_figures_of_a_month_are_those_worked_out_by_hand():
    report = evaluate_months(
        [by_hand(17.0, 17.0, 21.0, 29.0, inside=3, rejected=1)], THEN, limits=WIDE
    )
    (row,) = report.table.to_dict("records")
    assert row == {
        "month": "2021-04", "age": 5, "rmse": 5.0, "mae": 4.0, "bias": -1.0, "within_5": 0.75,
        "level": 1.05, "coverage": 0.75, "rejected": 0.2, "psi": 0.0, "rows": 5, "verdict": "",
    }  # fmt: skip


def test_the_coverage_is_that_of_all_rides():
    month = by_hand(*[20.0] * 4, inside=2)
    mixed = month.predictions.assign(predicted=[5.0, 20.0, 20.0, 30.0])
    report = evaluate_months([replace(month, predictions=mixed)], THEN, limits=WIDE)
    assert report.table["coverage"].tolist() == [0.5]


def test_a_month_of_rejected_rows_alone_has_no_error():
    month = by_hand(20.0, rejected=0)
    report = evaluate_months([replace(month, predictions=month.predictions[:0], rejected=9)], THEN)
    (row,) = report.table.dropna(axis=1).to_dict("records")
    assert (row["rejected"], row["rows"], row["month"]) == (1.0, 9, "2021-04")
    lacking = report.table.columns[report.table.isna().all()].tolist()
    assert lacking[:6] == ["rmse", "mae", "bias", "within_5", "level", "coverage"]


def test_a_report_has_the_drift_of_each_month_and_the_months_in_their_order():
    late, early = by_hand(20.0, month="2021-05", zone=2), by_hand(20.0, month="2021-04")
    report = evaluate_months([late, early], THEN)
    assert report.months == (early, late)
    expected = [
        drift(each.predictions, THEN.rides).assign(month=each.month) for each in report.months
    ]
    columns = ["month", "column", "psi", "shift"]
    pd.testing.assert_frame_equal(report.drift, pd.concat(expected, ignore_index=True)[columns])


def test_the_margins_say_what_each_limit_allows_and_what_was_used_of_it():
    months = [
        by_hand(17.0, 17.0, month="2021-04"),
        by_hand(15.0, 25.0, month="2021-05", inside=1, rejected=2),
    ]
    margins = evaluate_months(months, THEN).margins()
    assert margins["limit"].to_dict() == {
        "rmse above that at training (share)": 0.10,
        "bias, either way (minutes)": 2.0,
        "coverage, off the promised (share)": 0.05,
        "rows rejected (share)": 0.02,
        "largest drift (PSI)": 0.25,
    }
    assert margins["2021-04"].tolist() == [-0.25, 3.0, 0.0, 0.0, 0.0]
    assert margins["2021-05"].tolist() == [0.25, 0.0, 0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        ("x", False), (".x", False), ("x.", False), ("xx", True), ("x.x", True), ("xx.", False),
        ("x..x", False), ("x.x.", False), ("xxx", True),
    ],
)  # fmt: skip
def test_one_unusual_month_is_no_alarm_but_two_of_the_last_three_are(months, expected):
    minutes = {".": 20.0, "x": 50.0}
    named = [by_hand(minutes[each], month=f"2021-{n:02}") for n, each in enumerate(months, 4)]
    assert evaluate_months(named, THEN).alarm is expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"months": 1}, True), ({"months": 2}, True), ({"months": 3}, False), ({"of_last": 2}, False)],
)
def test_how_many_months_are_an_alarm_can_be_set(limits, expected):
    named = [
        by_hand(minutes, month=f"2021-0{n}") for n, minutes in enumerate((50.0, 20.0, 50.0), 4)
    ]
    assert evaluate_months(named, THEN, limits=Limits(**limits)).alarm is expected


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ([20.0], "2021-04: within its limits."),
        ([20.5, 50.0], "2021-05: rows. Nothing to do yet."),
        ([50.0, 50.0], "2021-05: rows. Retrain."),
    ],
)
def test_the_verdict_says_what_to_do(minutes, said):
    named = [by_hand(each, month=f"2021-0{n}") for n, each in enumerate(minutes, 4)]
    wrong = (
        "rmse 650% above that of the valid month at training; predictions 30.0 minutes too short"
    )
    assert evaluate_months(named, THEN).verdict == said.replace("rows", wrong)


@pytest.fixture
def trained(employed, monkeypatch):
    """What the champion's run recorded; its store is in use."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    return read_record(employed[1])


@pytest.fixture(scope="module")
def report(employed):
    """The report on the two months that the champion has scored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", employed[0])
        return monitor("champion", TWO)


def test_the_figures_of_the_test_month_are_those_of_the_training_to_the_last_digit(report, trained):
    found = report.table.iloc[-1]
    assert found["month"] == "2021-03"
    for measure in MEASURES:
        assert found[measure] == trained.metrics[f"test_{measure}"]


def test_the_valid_month_is_at_its_level_at_work_and_was_not_when_it_chose(report, trained):
    found = report.table.iloc[0]
    assert found["level"] == pytest.approx(1)
    assert abs(found["bias"]) < 1e-5 < abs(trained.metrics["valid_bias"])


def test_the_coverage_is_that_of_the_training(report, trained):
    assert report.table["coverage"].iloc[-1] == trained.metrics["test_coverage_all"]


def test_the_reference_is_what_the_training_was(report, trained):
    then = report.reference
    assert (then.rmse, then.last) == (trained.metrics["valid_rmse"], "2021-01")
    assert (then.model, then.coverage) == ("xgboost", 0.8)


def test_ordinary_months_are_no_alarm(report):
    assert (report.alarm, report.verdict) == (False, "2021-03: within its limits.")


def test_two_slow_months_are_an_alarm(trained, slow_months, tmp_path):
    score_months("champion", "2021-04..2021-05", source=slow_months, into=tmp_path)
    found = monitor("champion", "2021-04..2021-05", predictions=tmp_path)
    assert found.alarm
    assert "above that of the valid month at training" in found.verdict
    assert found.verdict.endswith("Retrain.")


def test_one_slow_month_is_none(trained, slow_months, tmp_path):
    score_months("champion", "2021-04", source=slow_months, into=tmp_path)
    found = monitor("champion", "2021-04", predictions=tmp_path)
    assert (found.alarm, found.verdict[-18:]) == (False, "Nothing to do yet.")


def test_a_month_without_predictions_is_an_error(trained):
    with pytest.raises(ModelError, match=r"has not scored green 2021-04 .* 05_score first"):
        monitor("champion", "2021-03..2021-04")


def test_the_model_is_looked_up_once_and_its_run_read_once(trained, lookups):
    read_record(trained.run_id)
    of_one_read = lookups["get_run"]
    lookups.clear()
    monitor("champion", TWO)
    assert lookups == {"get_model_version_by_alias": 1, "get_run": of_one_read}


def test_a_month_that_another_version_has_scored_is_an_error(trained, months):
    other = register(record("ridge", months).run_id)
    with pytest.raises(ModelError, match=rf"Version {other.version} .* has not scored"):
        monitor(other.address, TWO)


def test_training_months_that_have_changed_are_an_error(trained, tmp_path):
    write_parquet(make_month(JANUARY, rows=600, seed=7), tmp_path / GREEN.file(JANUARY))
    with pytest.raises(ModelError, match="not the file that the model was trained on"):
        monitor("champion", TWO, source=tmp_path)


def test_a_refitted_model_was_trained_on_the_valid_month_too(trained):
    again = replace(trained, parameters=trained.parameters | {"refit": "True"})
    found = [str(training_months(each)) for each in (trained, again)]
    assert found == ["2021-01", "2021-01..2021-02"]


def test_a_model_may_have_been_trained_on_several_months(trained):
    months = {"train": "2020-07..2020-12,2021-01"}
    several = replace(trained, parameters=trained.parameters | months)
    assert str(training_months(several)) == "2020-07..2021-01"


@pytest.mark.parametrize(
    ("refit", "parts", "last"),
    [("False", ["train"], "2021-01"), ("True", ["train", "valid"], "2021-02")],
)
def test_the_reference_is_every_ride_that_the_model_was_trained_on(
    trained, months, refit, parts, last
):
    model = load()
    vars(model)["record"] = replace(trained, parameters=trained.parameters | {"refit": refit})
    then = reference_of(model, "sample")
    rides = pd.concat([getattr(months, part).frame for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(then.rides.drop(columns="predicted"), rides)
    assert then.last == last


@pytest.fixture
def recorded_run(report, trained, employed):
    """The run that MLflow has of the report."""
    store = MlflowClient(employed[0])
    experiment = store.get_experiment_by_name(EXPERIMENT)
    of_two = f"params.months = '{TWO}'"
    return store.search_runs([experiment.experiment_id], of_two)[0]


def test_a_report_is_recorded_with_its_verdict(recorded_run, report):
    assert recorded_run.data.tags["verdict"] == report.verdict
    assert recorded_run.data.tags["alarm"] == "False"
    assert recorded_run.data.params["months"] == TWO


def test_a_report_is_recorded_under_its_model_and_its_months(recorded_run):
    assert recorded_run.info.run_name == f"taxi-duration/1 {TWO}"


def test_a_report_is_recorded_with_a_step_for_each_month(recorded_run, report, employed):
    steps = MlflowClient(employed[0]).get_metric_history(recorded_run.info.run_id, "rmse")
    assert [each.value for each in steps] == report.table["rmse"].tolist()


def test_a_report_is_recorded_with_its_tables(recorded_run, employed):
    files = MlflowClient(employed[0]).list_artifacts(recorded_run.info.run_id)
    assert [each.path for each in files] == ["drift.csv", "months.csv"]


def test_on_a_real_month_the_figures_are_those_of_the_training(real, new_store, tmp_path):
    months = load_split("2021-01", "2021-02", "2021-03", source=real)
    with new_store(tmp_path):
        run = record("xgboost", months, learning_rate=0.3, n_estimators=40)
        promote(register(run.run_id), months.test, why="a test")
        score_months("champion", "2021-03", source=real)
        found = monitor("champion", "2021-03", source=real).table.iloc[0]
        metrics = read_record(run.run_id).metrics
    assert [found[name] for name in MEASURES] == pytest.approx(
        [metrics[f"test_{name}"] for name in MEASURES], abs=1e-4
    )
