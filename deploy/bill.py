"""What the image installs, from the lock: deploy/requirements.lock, deploy/sbom.cdx.json (CycloneDX 1.6) and NOTICE.

make bill
"""

import json
import re
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
EXTRAS: Final = frozenset({"kafka", "objects", "otel"})
"""Of the image."""
BUILDS: Final = "setuptools"
LICENSES: Final = {"bytewax": "Apache-2.0"}
"""Of packages that say it in a file only."""
_TROVE: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def pinned() -> dict[str, str]:
    """Name -> its entry in the lock, with hashes."""
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^[A-Za-z0-9].*(?:\n    .*)*", text, re.MULTILINE)
    return {canonicalize_name(re.split(r"[=\s]", entry)[0]): entry for entry in entries}


def installed() -> list[Distribution]:
    """What driftnet needs with the image's extras, all the way down, and what builds it, as installed here; by name."""
    found = {BUILDS: distribution(BUILDS)}
    waiting = [(distribution("driftnet"), EXTRAS)]
    while waiting:
        package, extras = waiting.pop()
        for text in package.requires or ():
            needed = Requirement(text)
            name = canonicalize_name(needed.name)
            if name not in found and any(_applies(needed, extra) for extra in (*extras, "")):
                found[name] = distribution(name)
                waiting.append((found[name], frozenset(needed.extras)))
    return [found[name] for name in sorted(found)]


def _applies(needed: Requirement, extra: str) -> bool:
    return needed.marker is None or needed.marker.evaluate({"extra": extra})


def license_of(package: Distribution) -> str:
    """As an SPDX expression where the package says one, else what it says."""
    name = canonicalize_name(package.name)
    if expression := LICENSES.get(name) or package.metadata.get("License-Expression"):
        return str(expression)
    trove = [c.rpartition(" :: ")[2] for c in package.metadata.get_all("Classifier") or () if c.startswith("License")]
    known = [_TROVE[word] for word in trove if word in _TROVE]
    said = (package.metadata.get("License") or "").strip().splitlines()
    return " OR ".join(known) or (said[0] if said else "")


def bill(packages: list[Distribution], version: str) -> dict[str, Any]:
    """A CycloneDX document, the same for the same lock."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{canonicalize_name(p.name)}@{p.version}",
            "name": canonicalize_name(p.name),
            "version": p.version,
            "purl": f"pkg:pypi/{canonicalize_name(p.name)}@{p.version}",
            "licenses": [{"license": {"name": license_of(p)}}],
        }
        for p in packages
    ]
    main = f"pkg:pypi/driftnet@{version}"
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([main, components]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": main,
                "name": "driftnet",
                "version": version,
                "purl": main,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": main, "dependsOn": [c["bom-ref"] for c in components]}],
    }


def notice(packages: list[Distribution]) -> Iterator[str]:
    """The lines of NOTICE."""
    yield from ("Driftnet", "", "This product depends on these packages, which come under licenses of their own:", "")
    yield from (f"- {canonicalize_name(p.name)} {p.version}: {license_of(p)}" for p in packages)


def write() -> None:
    """All three files."""
    packages, lock = installed(), pinned()
    entries = [lock[canonicalize_name(p.name)] for p in packages]
    (ROOT / "deploy" / "requirements.lock").write_text("\n".join(entries) + "\n")
    table = bill(packages, distribution("driftnet").version)
    (ROOT / "deploy" / "sbom.cdx.json").write_text(json.dumps(table, indent=1) + "\n")
    (ROOT / "NOTICE").write_text("\n".join(notice(packages)) + "\n")


if __name__ == "__main__":
    write()
