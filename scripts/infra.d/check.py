"""Checks the Bicep templates of infra/ without the Bicep compiler: syntax, names, modules and their parameters, and the properties of
resources against infra/types.json. The compiler finds more: the types of expressions, for example.

Usage: check.py
"""

import json
import re
import sys

from bicep import ROOT, find_object, objects_of, templates, walk

FUNCTIONS = set(
    "array bool concat contains empty endsWith first flatten format guid indexOf int items join json last length listKeys loadJsonContent "
    "loadTextContent map max min range reduce replace resourceGroup resourceId split startsWith string subscription "
    "subscriptionResourceId substring take tenant toLower toUpper trim union uniqueString".split()
)
PRIMITIVES = {"array", "bool", "int", "object", "string"}
# Declared by every resource, whatever its type.
OF_EVERY_RESOURCE = {"parent", "scope", "dependsOn"}


class Checker:
    def __init__(self):
        self.found = []
        self.types = json.loads((ROOT / "infra/types.json").read_text())
        self.templates = {template.path: template for template in templates()}

    def report(self, template, node, message):
        self.found.append(f"{template.at(node)}: {message}")

    def run(self):
        for template in self.templates.values():
            self.syntax(template)
            self.names(template)
            for declaration in template.declarations("resource_declaration"):
                self.resource(template, declaration)
            for declaration in template.declarations("module_declaration"):
                self.module(template, declaration)
        self.parameter_file()
        return self.found

    def syntax(self, template):
        for node in walk(template.root):
            if node.type == "ERROR" or node.is_missing:
                self.report(template, node, f"syntax: {template.text(node)[:60]!r}")

    def declared(self, template):
        kinds = ("parameter_declaration", "variable_declaration", "resource_declaration", "module_declaration", "output_declaration")
        return {kind: {template.identifier(node): node for node in template.declarations(kind)} for kind in kinds}

    def names(self, template):
        """Every name is declared, and every parameter and variable is used."""
        declared = self.declared(template)
        known = set().union(*(names for kind, names in declared.items() if kind != "output_declaration"))
        used = set()
        for node in walk(template.root):
            if node.type != "identifier" or not self.is_use(node):
                continue
            name = template.text(node)
            used.add(name)
            if name not in known and name not in FUNCTIONS and name not in self.local_names(template, node):
                if not self.is_decorator(node):
                    self.report(template, node, f"{name} is not declared")
        for kind in ("parameter_declaration", "variable_declaration"):
            for name, node in declared[kind].items():
                if name not in used:
                    self.report(template, node, f"{name} is not used")

    @staticmethod
    def is_use(node):
        parent = node.parent
        if parent.type.endswith("_declaration") and parent.named_children[0] == node:
            return False
        if parent.type == "object_property" and parent.named_children[0] == node and len(parent.named_children) > 1:
            return False
        if parent.type == "for_statement" and node in parent.children_by_field_name("initializer"):
            return False
        return parent.type not in ("lambda_expression", "for_loop_parameters") or parent.named_children[-1] == node

    @staticmethod
    def is_decorator(node):
        while node is not None:
            if node.type == "decorator":
                return True
            node = node.parent
        return False

    @staticmethod
    def local_names(template, node):
        """The names of the loops and functions around a node."""
        names = set()
        while node is not None:
            if node.type == "for_statement":
                names |= {template.text(child) for child in node.children_by_field_name("initializer")}
            if node.type == "lambda_expression":
                names |= set(re.findall(r"\w+", template.text(node).split("=>")[0]))
            node = node.parent
        return names

    def resource(self, template, declaration):
        strings = [child for child in declaration.named_children if child.type == "string"]
        name = template.string(strings[0])
        kind = self.types.get(name)
        if kind is None:
            self.report(template, declaration, f"{name} is not in infra/types.json; run scripts/infra.d/resource_types.py")
            return
        body = find_object(declaration)
        is_existing = re.search(r"'\s+existing\s*=", template.text(declaration)) is not None
        self.compare(template, body, kind, name, OF_EVERY_RESOURCE, is_existing)
        if "/" in name.split("/", 1)[1] and "parent" not in template.properties(body):
            self.report(template, declaration, f"{name} has no parent")

    def compare(self, template, node, kind, path, also=frozenset(), is_existing=False):
        properties = template.properties(node)
        allowed = kind.get("properties")
        if allowed is None:
            return
        for name, (property_node, value) in properties.items():
            if name in also:
                continue
            child = allowed.get(name) or (kind.get("others") if name not in allowed else None)
            if name not in allowed and child is None:
                self.report(template, property_node, f"{path} has no property {name}")
            elif child is not None and value is not None:
                self.value(template, value, child, f"{path}.{name}")
        if is_existing:
            return
        for name, child in allowed.items():
            if child.get("required") and name not in properties:
                self.report(template, node, f"{path} needs {name}")

    def value(self, template, node, kind, path):
        if node.type == "string" and "values" in kind:
            text = template.string(node)
            if text is not None and text not in kind["values"]:
                self.report(template, node, f"{path} is {text}; allowed are {', '.join(kind['values'])}")
        literal = {"string": "string", "number": "int", "boolean": "bool", "object": "object", "array": "array"}.get(node.type)
        expected = "string" if "values" in kind else kind.get("kind", "any")
        if literal and expected != "any" and literal != expected:
            self.report(template, node, f"{path} is a literal of kind {literal}; expected is {expected}")
        inner = kind.get("items") if kind.get("kind") == "array" else kind
        for found in objects_of(node):
            if inner:
                self.compare(template, found, inner, path)

    def module(self, template, declaration):
        file = template.string(next(child for child in declaration.named_children if child.type == "string"))
        path = (template.path.parent / file).resolve()
        module = self.templates.get(path)
        if module is None:
            self.report(template, declaration, f"{file} does not exist")
            return
        body = template.properties(find_object(declaration))
        given = template.properties(body["params"][1]) if "params" in body else {}
        parameters = {module.identifier(node): node for node in module.declarations("parameter_declaration")}
        for name in given:
            if name not in parameters:
                self.report(template, given[name][0], f"{file} has no parameter {name}")
        for name, node in parameters.items():
            if name not in given and "=" not in module.text(node):
                self.report(template, declaration, f"{file} needs the parameter {name}")
        outputs = {module.identifier(node) for node in module.declarations("output_declaration")}
        own = template.identifier(declaration)
        for name in set(re.findall(rf"\b{own}\.outputs\.(\w+)", template.source.decode())):
            if name not in outputs:
                self.report(template, declaration, f"{file} has no output {name}")

    def parameter_file(self):
        main = self.templates[ROOT / "infra/main.bicep"]
        declared = {main.identifier(node): node for node in main.declarations("parameter_declaration")}
        given = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
        self.found += [f"infra/main.parameters.json: main.bicep has no parameter {name}" for name in given if name not in declared]
        for name, node in declared.items():
            if name not in given and "=" not in main.text(node):
                self.report(main, node, f"infra/main.parameters.json has no {name}")


found = Checker().run()
print("\n".join(found) if found else "infra: the templates agree with infra/types.json")
sys.exit(1 if found else 0)
