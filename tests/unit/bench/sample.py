"""A run as pytest-benchmark writes it: every kind of case, figures of the right size, nothing measured."""

from typing import Any

import numpy as np

_STAGES = (
    "parse json",
    "columns",
    "hash ids",
    "lateness, routing",
    "duplicates",
    "panes",
    "features",
    "detectors",
    "calibrate",
    "alerts",
)
_SCENARIOS = {
    "uniform": ("Every user as busy as any other", 2.9),
    "zipf": ("A few users do most of it", 2.4),
    "shipped": ("A day of the platform, all that ships", 9.6),
    "hot-user": ("One account is half the batch", 2.2),
    "churn": ("Every user is new", 4.1),
    "disorder": ("Events out of order, within the lateness", 3.0),
    "cold": ("An empty state, the first hour", 3.2),
    "full": ("More users than room: the longest silent leave", 3.9),
    "replay-archive": ("Files of days, gzipped", 3.1),
    "wide": ("40 features", 5.2),
    "many-windows": ("Tumbling, sliding and session windows together", 6.4),
}


def sample(**machine: Any) -> dict[str, Any]:
    """The table of a whole run."""
    rng = np.random.default_rng(1)
    benchmarks = [
        *(_scenario(rng, name, *found) for name, found in _SCENARIOS.items()),
        *_layers(rng),
        _quality(),
        *_verdicts(),
        *(_company(world, 20_000, seed) for world in ("near", "innocent") for seed in (1, 9)),
        *_growth(rng),
        *_others(rng),
    ]
    versions = {"python": "3.11.7", "driftnet": "0.2.0", "numpy": "2.4.6", "orjson": "3.13.0", "river": "0.26.1"}
    cpu = {"brand_raw": "AMD EPYC 7B13", "count": 2}
    return {
        "machine_info": {
            "machine": "x86_64",
            "system": "Linux",
            "cpu": cpu,
            "memory_bytes": 8 * 2**30,
            "versions": versions,
            **machine,
        },
        "commit_info": {"id": "0cb10820d0337b4d4c0dec4e3dc9088b09e3ab8d", "dirty": False, "branch": "main"},
        "benchmarks": benchmarks,
        "datetime": "2026-11-24T09:30:00+00:00",
        "version": "5.3.1",
    }


def case(name: str, seconds: list[float], info: dict[str, Any], file: str = "test_some.py") -> dict[str, Any]:
    """One benchmark as pytest-benchmark writes it."""
    stats = {"min": min(seconds), "median": float(np.median(seconds)), "rounds": len(seconds), "data": seconds}
    return {"name": name, "fullname": f"bench/cases/{file}::{name}", "stats": stats, "extra_info": info}


def _around(rng: np.random.Generator, value: float, rounds: int = 5) -> list[float]:
    return [float(v) for v in value * (1 + 0.06 * rng.exponential(size=rounds))]


def _scenario(rng: np.random.Generator, name: str, summary: str, ratio: float) -> dict[str, Any]:
    events, base = 1_000_000, 1.36
    ratios = {"decode": 0.55 * ratio, "windows": 0.82 * ratio, "whole": ratio}
    cpu_s = {"orjson.loads": _around(rng, base), **{k: _around(rng, base * r) for k, r in ratios.items()}}
    share = rng.dirichlet([9, 3, 3, 2, 1, 4, 4, 4, 1, 0.6])
    ns = base * ratio * 1e9 / events
    stages = [
        {"stage": s, "share": float(p), "ns_per_event": float(p * ns)} for s, p in zip(_STAGES, share, strict=True)
    ]
    latency = [
        {
            "load": load,
            "rate": load * 1e6 / ratio,
            "p50_us": 900 * k,
            "p99_us": 4_200 * k * k,
            "p999_us": 9_000 * k**3,
            "max_us": 14_000 * k**3,
        }
        for load, k in ((0.5, 1.0), (0.7, 1.4), (0.9, 2.6))
    ]
    info = {
        "kind": "scenario",
        "result": f"{abs(hash(ratio)):x}"[:16],
        "scenario": name,
        "summary": summary,
        "events": events,
        "users": 50_000,
        "rows": 289_303,
        "cpu_s": cpu_s,
        "ratio": ratios,
        "events_per_s": 1e6 / ratio / base,
        "event_ns": ns,
        "stages": stages,
        "flame": _flame(share),
        "peak_rss_bytes": int(220e6 * ratio),
        "bytes_per_user": 640.0 * ratio,
        "snapshot_bytes": int(18e6 * ratio),
        "snapshot_bytes_per_user": 360.0 * ratio,
        "snapshot_ms": {"max": 4.1 * ratio, "total": 31.0 * ratio},
        "restore_ms": 22.0 * ratio,
        "evictions": 48_211 if name == "full" else 0,
        "rejects": 0,
        "late": 0,
        "alerts": 37,
        "latency": latency,
    }
    return case(f"test_scenario[{name}]", _around(rng, base * ratio), info, "test_scenarios.py")


def _flame(share: Any) -> dict[str, Any]:
    def leaf(name: str, value: float, *children: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "value": float(value), "children": list(children)}

    decode = leaf(
        "flows/wire/decode.py:decode",
        share[:3].sum(),
        leaf("orjson.loads", share[0]),
        leaf("flows/wire/columns.py:extract", share[1]),
        leaf("xxhash.xxh3_64_intdigest", share[2]),
    )
    ingest = leaf(
        "flows/operators/ingest/operator.py:process", share[:4].sum(), decode, leaf("state/keygroup.py:split", share[3])
    )
    subject = leaf(
        "flows/operators/subject/operator.py:process",
        share[4:7].sum(),
        leaf("state/dedup.py:seen", share[4]),
        leaf("state/panes.py:add", share[5], leaf("numpy:argsort", 0.6 * share[5])),
        leaf("detectors/features/counts.py:compute", share[6]),
    )
    population = leaf(
        "flows/operators/population/operator.py:process",
        share[7:].sum(),
        leaf("detectors/half_space/trees.py:score", share[7]),
        leaf("detectors/calibrate.py:tail", share[8]),
        leaf("detectors/alerting/policy.py:offer", share[9]),
    )
    return leaf("whole", 1.0, ingest, subject, population)


def _layers(rng: np.random.Generator) -> list[dict[str, Any]]:
    found = [
        ("wire", "decode", "event", {"columns": columns}, 8192, ns)
        for columns, ns in (("few", 1100), ("canonical", 1900), ("40", 4300))
    ]
    found += [
        ("windows", "window", "event", {"window": kind}, 8192, ns)
        for kind, ns in (("tumbling", 160), ("sliding", 240), ("session", 390))
    ]
    for detector, fixed, per_row in (
        ("half_space_trees", 90_000, 1100),
        ("ecod", 60_000, 900),
        ("history", 40_000, 600),
    ):
        found += [
            ("detectors", "score_and_learn", "row", {"detector": detector, "batch": n}, n, fixed / n + per_row)
            for n in (1, 32, 1024)
        ]
    return [
        case(
            f"test_{name}[{'-'.join(map(str, params.values()))}]",
            _around(rng, ns * n * 1e-9, 25),
            {"kind": "layer", "result": "00", "layer": layer, "per": per, "n": n, "params": params},
            f"test_{layer}.py",
        )
        for layer, name, per, params, n, ns in found
    ]


def _quality() -> dict[str, Any]:
    campaigns = [
        {"name": n, "recall": r, "median_ttd_s": t}
        for n, r, t in (("account_takeover", 1.0, 300), ("loop_bot", 1.0, 48_660), ("sign_up_farm", 0.95, 38_700))
    ]
    return case(
        "test_quality",
        [19.5],
        {
            "kind": "quality",
            "result": "0",
            "events": 261_290,
            "events_per_s": 13_407.0,
            "ratio": {"whole": 52.0},
            "precision": 0.939,
            "recall": 0.984,
            "alerts": 131,
            "campaigns": campaigns,
        },
    )


def _verdicts() -> list[dict[str, Any]]:
    return [_judged("null", 41, 0.0), _judged("shipped", 31, 1.0), _judged("warm", 42, 1.0)]


def _judged(attack: str, seed: int, attackers: float) -> dict[str, Any]:
    """Three days of 2,000 users of whom 50 attack: 40 are found at once, all but one later; two people are accused."""
    acting = [50 * (attackers > 0) * (day > 1 or attack != "warm") for day in (1, 2, 3)]
    found = [max(0, n - lost) for n, lost in zip(acting, (10, 4, 1), strict=True)]
    levels = [{"level": level, "share": level if level != 1e-3 else 0.004} for level in (1e-1, 1e-2, 1e-3, 2e-4)]
    days = [
        {
            "genuine": 1_000,
            "true": n,
            "false": 2 * (day == 0),
            "false_per_1000": 2.0 * (day == 0),
            "precision": n / (n + 2 * (day == 0)) if n or not day else None,
            "acting": acting[day],
            "found": n,
            "recall": n / acting[day] if acting[day] else None,
            "calibration": levels,
            "baseline": {"precision": 0.5, "recall": 0.4},
        }
        for day, n in enumerate(found)
    ]
    point = {
        "false_discovery": 0.0,
        "line": 1e-3,
        "alerts": 60,
        "false_per_1000": 1.5,
        "precision": 0.9,
        "recall": 0.95,
    }
    curve = [point | {"median_ttd_s": {"loop_bot": 28_800.0}, "slowest_s": 28_800.0}]
    info = {
        "kind": "verdicts",
        "result": "0",
        "scenario": f"{attack}-2000-{seed}",
        "attack": attack,
        "attackers": attackers,
        "attack_day": 2 if attack == "warm" else 1,
        "users": 2_000,
        "seed": seed,
        "tuned": seed < 40,
        "budget": 60,
        "false_discovery": 0.03,
        "line": 2e-4,
        "cpu_s": 7.5,
        "days": days,
        "alerts": sum(found) + 2,
        "false_alerts": 2,
        "genuine_days": 3_000,
        "false_per_1000": 2 / 3,
        "worst_false_per_1000": 2.0,
        "precision": sum(found) / (sum(found) + 2),
        "recall": 0.98 if attackers else None,
        "attackers_acting": acting[-1],
        "missed": acting[-1] - found[-1],
        "false_share": 0.02,
        "calibration": levels,
        "campaigns": [{"name": "loop_bot", "accounts": 50, "found": 49, "median_ttd_s": 40_000.0}] * (attackers > 0),
        "roles": [
            {"name": "super_fan", "accounts": 8, "alerted": 1},
            {"name": "person", "accounts": 1_000, "alerted": 1},
        ],
        "withheld": 3,
        "released": 1,
        "odd_after_h": 2.5 if attackers else None,
        "waves": [
            {"at": "2026-03-02T08:00:00.000000Z", "day": 1, "share": 0.14, "after_h": 1.5 if attackers else None}
        ],
        "drift": {"wave": 1},
        "curve": curve * (attack == "warm"),
        "mistakes": {"false alerts": 2, "missed on the first day": 10 * (attackers > 0), "missed": int(attackers > 0)},
    }
    return case(f"test_verdicts[{attack}-2000-{seed}]", [9.0], info, "test_verdicts.py")


def _company(world: str, users: int, seed: int) -> dict[str, Any]:
    bots = world != "innocent"
    soon = {"early": 11 * bots, "of": 30 * bots, "median": 0.125 if bots else None, "shares": {}}
    info = {
        "kind": "company",
        "result": "0",
        "scenario": f"{world}-{users}-{seed}",
        "world": world,
        "about": "nobody attacks" if not bots else "people play its tracks",
        "attackers": float(bots),
        "users": users,
        "seed": seed,
        "tuned": seed < 9,
        "run_days": 3,
        "cpu_s": 40.0,
        "campaigns_told": 33 * bots,
        "campaigns": 30 * bots,
        **dict.fromkeys(("pair_precision", "pair_recall", "pair_f1", "purity", "recall"), 0.93 if bots else None),
        "false": 0,
        "false_ever": int(not bots),
        "people_ever": 80,
        "crowds": {},
        "records": soon,
        "alerted": soon,
        "kinds": [{"name": "drip_farm", "accounts": 60, "members": 57, "found": 51}] * bots,
        "alerts": 81,
        "alerts_of_campaigns": 36 * bots,
        "precision": 0.97 if bots else 0.0,
        "alert_recall": 0.94 if bots else None,
        "missed": 37 * bots,
        "people_alerted": 70,
        "days": [{"day": 1, "alerts": 81, "precision": 0.9, "recall": 0.94 if bots else None, "people": 70}],
        "mistakes": {"campaigns of people": int(not bots), "missed": 37 * bots},
    }
    return case(f"test_company[{world}-{users}-{seed}]", [9.0], info, "test_company.py")


def _growth(rng: np.random.Generator) -> list[dict[str, Any]]:
    curves = {
        "users": ("users", (1e3, 1e4, 1e5, 1e6), "cpu_us_per_event", 0.0, 4.0, 0.04),
        "state": ("users", (1e3, 1e4, 1e5, 1e6), "state_bytes", 1.0, 700.0, 0.97),
        "window length": ("minutes", (1, 5, 30, 240), "cpu_s", 1.0, 2.0, 0.08),
        "detectors": ("detectors", (1, 2, 4, 8), "cpu_s", 1.0, 1.2, 1.31),
    }
    return [
        case(
            f"test_{curve.replace(' ', '_')}[{int(x)}]",
            [1.0],
            {
                "kind": "growth",
                "result": "0",
                "curve": curve,
                "axis": axis,
                "x": x,
                "fit_metric": metric,
                "expect": expect,
                "metrics": {
                    metric: factor * x**k * float(np.exp(0.03 * rng.normal())),
                    "peak_rss_bytes": 2e8 + 900 * x,
                },
            },
        )
        for curve, (axis, xs, metric, expect, factor, k) in curves.items()
        for x in xs
    ]


def _others(rng: np.random.Generator) -> list[dict[str, Any]]:
    times = {"driftnet": 1.1, "plain script": 24.0, "idiomatic bytewax": 41.0, "pathway": 33.0, "pyflink": 95.0}
    return [
        case(
            f"test_others[{job}-{system}]",
            [1.0],
            {
                "kind": "others",
                "result": "0",
                "system": system,
                "job": job,
                "events": 200_000,
                "cpu_s": _around(rng, t * more),
                "wall_s": _around(rng, t * more * 1.02),
                "peak_rss_bytes": int(1e8 * (1 + t / 20)),
                "rows": 57_861,
                "equal_rows": 57_861,
            },
        )
        for job, more in (("windows", 1.0), ("windows+hst", 1.7))
        for system, t in times.items()
    ]
