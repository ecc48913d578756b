"""Reference tables that are read from the program itself: metrics, tables of the store, errors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.metrics import MetricWrapperBase

import channelsync
from channelsync.cli.exit_codes import MEANINGS
from channelsync.domain.permissions import UNBOUNDED, Permission, Role, permissions_of
from channelsync.engine.figures import Figures, Totals
from channelsync.engine.status import Status
from channelsync.engine.sums import Coverage
from channelsync.engine.workings import ListingFigures
from channelsync.store import tables
from channelsync.web.access import OPEN, SELF, TABLE, Asked
from channelsync.web.meters import Meters
from channelsync.web.metrics import _Books
from tests.support.checkout import ROOT
from tests.support.plans import indexes, read_ways

__all__ = ["errors_tables", "indexes_table", "metrics_table", "permissions_tables", "store_tables"]

NOTHING = Figures(
    status=Status(
        at=0.0,
        summed_at=0.0,
        channels=(),
        pools=(),
        proof_coverage=Coverage(proven=0, listings=0),
        open_pushes=0,
        dead_letters=0,
        holds=0,
        shortfall_units=0,
        overdue_seconds=None,
        alarms=(),
    ),
    oversold=0,
    shortfalls=(),
    totals=Totals(
        pushes=(),
        order_lines=(),
        expired_holds=0,
        listings=ListingFigures(accuracy={}, staleness=(), stockout_ratio=None),
    ),
    oldest_push_seconds=0.0,
    order_lags=(),
    apply_lags=(),
)
"""The figures of a house without channels: every family is there, without values."""
ERRORS = ("domain", "sdk", "configuration", "store", "plugins", "security", "engine")


def metrics_table() -> str:
    """Every family of `/metrics`."""
    rows = sorted({*_families_of_the_books(), *_families_of_a_process()})
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for name, kind, labels, meaning in rows:
        lines.append(f"| `{name}` | {kind} | {labels or '–'} | {meaning} |")
    return "\n".join([*lines, ""])


def _families_of_the_books() -> Iterator[tuple[str, str, str, str]]:
    for family in _Books(NOTHING).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in family._labelnames)  # type: ignore[attr-defined]
        yield name, family.type, labels, family.documentation


def _families_of_a_process() -> Iterator[tuple[str, str, str, str]]:
    meters = Meters()
    for meter in vars(meters).values():
        if isinstance(meter, MetricWrapperBase):
            [family] = meter.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in meter._labelnames)
            yield name, family.type, labels, family.documentation


def store_tables() -> str:
    """Every table with its columns and what guards them."""
    return "\n".join(_table(table) for table in tables.metadata.sorted_tables)


def _table(table: sa.Table) -> str:
    lines = [f"## {table.name}", "", "| column | type | |", "|---|---|---|"]
    lines += [
        f"| `{column.name}` | {_type(column)} | {_about(column)} |" for column in table.columns
    ]
    guards = sorted(filter(None, (_guard(one) for one in table.constraints)))
    unique = [f"unique index on {_names(index.columns)}" for index in table.indexes if index.unique]
    if guards or unique:
        lines += ["", *(f"- {guard}" for guard in [*guards, *sorted(unique)])]
    return "\n".join([*lines, ""])


def _type(column: sa.Column[object]) -> str:
    kind = column.type
    return "text" if isinstance(kind, sa.Enum | sa.String) else str(kind).lower()


def _about(column: sa.Column[object]) -> str:
    said = ["primary key"] if column.primary_key else []
    said += [f"→ `{key.column.table.name}`" for key in column.foreign_keys]
    if column.nullable:
        said.append("may be null")
    return ", ".join(said)


def _guard(constraint: sa.Constraint) -> str:
    if isinstance(constraint, sa.CheckConstraint):
        return f"check `{' '.join(str(constraint.sqltext).split())}`"
    if isinstance(constraint, sa.UniqueConstraint):
        return f"unique: {_names(constraint.columns)}"
    return ""


def _unique_index(index: sa.Index) -> str:
    where = index.dialect_options["sqlite"]["where"]
    condition = "" if where is None else f", where `{where}`"
    return f"unique: {_names(index.columns)}{condition}"


def _names(columns: object) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)  # type: ignore[attr-defined]


def indexes_table() -> str:
    """Every index that somebody goes by, and which modules do: as the kept plans say."""
    serves: dict[str, set[str]] = {}
    for engine in ("sqlite", "postgresql"):
        path = ROOT / "tests" / "integration" / "store" / "plans" / f"{engine}.txt"
        for (_, index, _), modules in read_ways(path.read_text("utf-8")).items():
            serves.setdefault(index, set()).update(modules)
    lines = ["| table | index | columns | serves |", "|---|---|---|---|"]
    for name, table in sorted(indexes().items(), key=lambda one: (one[1].name, one[0])):
        asked = ", ".join(f"`{module}`" for module in sorted(serves.get(name, ())))
        lines.append(
            f"| `{table.name}` | `{name}` | {_shape(name, table)} | {asked or 'a guard'} |"
        )
    return "\n".join([*lines, ""])


def _shape(name: str, table: sa.Table) -> str:
    for index in table.indexes:
        if index.name == name:
            where = index.dialect_options["postgresql"]["where"]
            return _names(index.columns) + ("" if where is None else f" where `{where}`")
    found = next(one for one in table.constraints if one.name == name)
    return _names(found.columns) if isinstance(found, sa.UniqueConstraint) else ""


def permissions_tables() -> str:
    """Every permission by role, then every route by role."""
    roles = " | ".join(Role)
    ruler = "|---|" + "---|" * len(Role)
    lines = [f"| permission | {roles} |", ruler]
    for permission in Permission:
        house = " ⌂" if permission in UNBOUNDED else ""
        marks = (_mark(permission in permissions_of(role)) for role in Role)
        lines.append(f"| `{permission}`{house} | {' | '.join(marks)} |")
    lines += ["", f"| route | asks for | anybody | {roles} |", "|---|---|---|" + "---|" * len(Role)]
    for (method, path), asked in TABLE.items():
        wanted = f"`{asked}`" if isinstance(asked, Permission) else "–"
        marks = (_mark(_may(role, asked)) for role in Role)
        shown = f"{_mark(asked is OPEN)} | {' | '.join(marks)}"
        lines.append(f"| `{method} {path}` | {wanted} | {shown} |")
    return "\n".join([*lines, ""])


def _may(role: Role, asked: Asked) -> bool:
    return asked in {OPEN, SELF} or asked in permissions_of(role)


def _mark(yes: bool) -> str:
    return "✓" if yes else "–"


def errors_tables() -> str:
    """Exit codes of the commands, then every error by the room that raises it."""
    lines = ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    for room in ERRORS:
        found = sorted(_errors_in(f"{channelsync.__name__}.{room}"))
        lines += ["", f"## channelsync.{room}", "", "| error | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in found]
    return "\n".join([*lines, ""])


def _errors_in(package: str) -> set[tuple[str, str]]:
    folder = importlib.import_module(package)
    found = set()
    for info in pkgutil.walk_packages(folder.__path__, f"{package}."):
        if ".testing" in info.name:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            own = inspect.isclass(value) and value.__module__ == info.name
            if own and issubclass(value, Exception) and not name.startswith("_"):
                found.add((name, (inspect.getdoc(value) or "").splitlines()[0]))
    return found
