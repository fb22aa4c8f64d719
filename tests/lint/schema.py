#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""schema.py SCHEMA FILE...      a line for each access document, or answer of the change feed: "FILE: ok", or why it is invalid
schema.py --description FILE  what is wrong with an OpenAPI description: nothing is printed if nothing is
"""

import json
import pathlib
import sys

import jsonschema
import yaml

ANSWERS = {"200", "304", "401", "403", "404", "410", "429", "503"}


def read_schema(uri):
    return json.loads(pathlib.Path(uri[len("file://"):]).read_text())


def validator(schema, resolver=None):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def first_error(checker, value):
    """The deepest of the errors, in a line; None if there is none."""
    error = jsonschema.exceptions.best_match(checker.iter_errors(value))
    if error is None:
        return None
    return f"{error.json_path}: {error.message}"[:200].replace("\n", " ")


def check_documents(schema_file, files):
    path = pathlib.Path(schema_file).resolve()
    schema = json.loads(path.read_text())
    checker = validator(schema, jsonschema.RefResolver(path.as_uri(), schema, handlers={"file": read_schema}))
    for file in files:
        print(f"{file}: {first_error(checker, json.loads(pathlib.Path(file).read_text())) or 'ok'}")


class Description:
    """An OpenAPI description; every reference in it is looked up from its own file."""

    def __init__(self, file):
        self.path = pathlib.Path(file).resolve()
        self.root = yaml.safe_load(self.path.read_text())
        self.resolver = jsonschema.RefResolver(
            self.path.as_uri(), self.root,
            handlers={"file": read_schema})

    def look_up(self, node):
        return self.resolver.resolve(node["$ref"])[1] if "$ref" in node else node

    def check_example(self, where, node):
        """A media type, a header or a parameter: what it shows must fit its schema."""
        node = self.look_up(node)
        examples = [self.look_up(example)["value"] for example in node.get("examples", {}).values()]
        if "example" in node:
            examples.append(node["example"])
        if not examples:
            print(f"{where}: has no example")
        checker = validator(node["schema"], self.resolver)
        for example in examples:
            if error := first_error(checker, example):
                print(f"{where}: {error}")

    def check_answer(self, status, answer):
        answer = self.look_up(answer)
        for name, header in answer.get("headers", {}).items():
            self.check_example(f"{status} {name}", header)
        for kind, body in answer.get("content", {}).items():
            self.check_example(f"{status} {kind}", body)
            for example in body.get("examples", {}).values():
                value = self.look_up(example)["value"]
                if kind == "application/problem+json" and str(value["status"]) != status:
                    print(f"{status} {kind}: the example says status {value['status']}")
        if status not in ("200", "304") and list(answer["content"]) != ["application/problem+json"]:
            print(f"{status}: not application/problem+json")

    def check_references(self, node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                self.resolver.resolve(node["$ref"])
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                self.check_references(child)

    def check(self):
        if not self.root["openapi"].startswith("3.1."):
            print("not OpenAPI 3.1")
        self.check_references(self.root)
        for path, item in self.root["paths"].items():
            self.check_path(path, item)

    def check_path(self, path, item):
        if set(item) - {"parameters", "summary"} != {"get"}:
            print(f"{path}: more than one GET")
        answers = item["get"]["responses"]
        if set(answers) != ANSWERS:
            print(f"answers: {sorted(set(answers) ^ ANSWERS)}")
        for parameter in item.get("parameters", []) + item["get"].get("parameters", []):
            parameter = self.look_up(parameter)
            self.check_example(parameter["name"], parameter)
            if parameter["in"] == "path" and "{" + parameter["name"] + "}" not in path:
                print(f"{path}: lacks {{{parameter['name']}}}")
        for status, answer in answers.items():
            self.check_answer(status, answer)


def main(arguments):
    if arguments[0] == "--description":
        Description(arguments[1]).check()
    else:
        check_documents(arguments[0], arguments[1:])


main(sys.argv[1:])
