"""Reads the templates of infra/ with the Bicep grammar of tree-sitter."""

import pathlib

import tree_sitter
import tree_sitter_bicep

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


class Template:
    """A parsed file."""

    def __init__(self, path):
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.source = path.read_bytes()
        self.root = PARSER.parse(self.source).root_node

    def text(self, node):
        return self.source[node.start_byte:node.end_byte].decode()

    def string(self, node):
        """The value of a text without interpolation, else None."""
        if node.type != "string" or any(child.type == "interpolation" for child in node.named_children):
            return None
        return self.text(node)[1:-1]

    def declarations(self, kind):
        return [node for node in self.root.named_children if node.type == kind]

    def identifier(self, declaration):
        return self.text(next(child for child in declaration.named_children if child.type == "identifier"))

    def body(self, declaration):
        """The object of a resource or module, also below a condition or a loop."""
        return find_object(declaration)

    def properties(self, node):
        """The properties of an object: names and nodes of their values."""
        found = {}
        for child in node.named_children:
            if child.type != "object_property":
                continue
            name, value = child.named_children[0], child.named_children[-1]
            plain = self.string(name) if name.type == "string" else self.text(name)
            found[plain] = (child, value if value != name else None)
        return found

    def at(self, node):
        return f"{self.name}:{node.start_point[0] + 1}"


def find_object(node):
    for child in node.named_children:
        if child.type == "object":
            return child
        if child.type in ("if_statement", "for_statement"):
            found = find_object(child)
            if found is not None:
                return found
    return None


def walk(node):
    yield node
    for child in node.named_children:
        yield from walk(child)


def templates():
    return [Template(path) for path in sorted(pathlib.Path(ROOT, "infra").rglob("*.bicep"))]


def objects_of(node):
    """The objects that a value can be: both branches of a condition, the elements of an array, the body of a loop."""
    if node is None:
        return []
    if node.type == "object":
        return [node]
    if node.type in ("ternary_expression", "array", "for_statement", "parenthesized_expression", "if_statement"):
        return [found for child in node.named_children for found in objects_of(child)]
    return []


def used_properties(template, node, tree):
    for name, (_, value) in template.properties(node).items():
        branch = tree.setdefault(name, {})
        for child in objects_of(value):
            used_properties(template, child, branch)


def resources():
    """The resource types of all templates, each with a tree of the properties that they set."""
    found = {}
    for template in templates():
        for declaration in template.declarations("resource_declaration"):
            name = template.string(next(child for child in declaration.named_children if child.type == "string"))
            tree = found.setdefault(name, {})
            body = template.body(declaration)
            if body is not None:
                used_properties(template, body, tree)
    return found
