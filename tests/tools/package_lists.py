#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""package_lists.py spdx|trivy FILE - the packages of a document, one a line: kind, name, version, architecture.

spdx reads an SBOM of ours, trivy the JSON of `trivy image --list-all-pkgs`. Both are brought into the form in which
dpkg, pip and npm print names and versions.
"""
import json
import sys
import urllib.parse


def spdx(document):
    for package in document["packages"]:
        if package.get("primaryPackagePurpose") == "CONTAINER":
            continue
        purl = [r["referenceLocator"] for r in package["externalRefs"] if r["referenceType"] == "purl"]
        path, _, qualifiers = purl[0].removeprefix("pkg:").partition("?")
        kind, _, rest = path.partition("/")
        name, _, version = rest.rpartition("@")
        if kind == "deb":
            name = name.partition("/")[2]
        # The package URL must say what the document says.
        assert urllib.parse.unquote(version) == package["versionInfo"], purl
        said = urllib.parse.unquote(name)
        assert said == (package["name"].lower().replace("_", "-") if kind == "pypi" else package["name"]), purl
        yield kind, said, package["versionInfo"], dict(urllib.parse.parse_qsl(qualifiers)).get("arch", "-")


KINDS = {"os-pkgs": "deb", "python-pkg": "pypi", "node-pkg": "npm"}


def trivy(document):
    for result in document.get("Results", []):
        kind = KINDS.get(result["Class"]) or KINDS.get(result.get("Type"), result.get("Type"))
        for package in result.get("Packages", []):
            version = package["Version"]
            if package.get("Release"):
                version += "-" + package["Release"]
            if package.get("Epoch"):
                version = f"{package['Epoch']}:{version}"
            name = package["Name"].lower().replace("_", "-") if kind == "pypi" else package["Name"]
            yield kind, name, version, package["Arch"] if kind == "deb" else "-"


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as f:
        found = {"spdx": spdx, "trivy": trivy}[sys.argv[1]](json.load(f))
        for row in sorted(found):
            print(*row)
