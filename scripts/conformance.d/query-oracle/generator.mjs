// Documents and queries from a seed. Only what the documentation defines and the second engine follows is generated; the table
// below lists what the engine does otherwise.

/** Where @zeit/cosmosdb-query 0.7.2 differs from the documentation, and what is generated instead. */
export const DEVIATIONS = [
  ["= and != across types are false and true, not undefined", "!= and NOT stand behind a test of the type; = only where false and undefined mean the same"],
  ["a ternary with an undefined condition takes its last value", "conditions of ternaries are always true or false"],
  ["ORDER BY drops documents without the property", "the sorted property is in every document"],
  ["ORDER BY breaks ties by resource id, which the documentation leaves open", "the sorted property is unique"],
  ["text is compared and measured by UTF-16 units", "no characters beyond the basic plane"],
  ["properties of text and arrays of JavaScript are visible, such as length", "no such names of properties"],
  ["NOT binds tighter than a comparison", "what NOT negates is in parentheses"],
  ["RIGHT of 0 characters is the whole text", "at least 1 character"],
  ["REPLACE replaces the first occurrence alone", "text that occurs once"],
  ["ROUND rounds -2.5 to -2", "ROUND only of numbers above zero"],
  ["an alias cannot be used again in a subquery", "aliases of subqueries differ from those of joins"],
  ["EXISTS ignores a single row that is undefined", "subqueries of EXISTS select defined values"],
  ["SUM of no value is 0, which the documentation leaves open", "aggregates are over at least one number"],
  ["DISTINCT, GROUP BY, OFFSET LIMIT, LIKE and NOT IN are not known", "not generated; queries.json covers them"],
];

const KEYS = ["north", "south", "east", "west", "Zürich"];
const WORDS = ["red", "green", "blue", "été", "東京", "Straße x", "a'b", 'say "hi"', "", "Red"];
const NAMES = ["bolt", "nut", "screw", "ring"];

/** A generator of numbers from 0 to 1 (mulberry32), so that a seed always makes the same documents and queries. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count) => Math.floor(next() * count);
  const pick = (values) => values[below(values.length)];
  return { below, pick, chance: (probability) => next() < probability, several: (most, make) => Array.from({ length: below(most + 1) }, make) };
}

/** Documents with missing properties, and with properties of several types. Numbers are multiples of a quarter: sums are exact. */
export function makeDocuments(random, count) {
  const quarter = () => random.below(80) / 4 - 10;
  const mixed = () => random.pick([quarter(), random.pick(WORDS), true, false, null]);
  const item = () => ({ name: random.pick(NAMES), size: random.below(10), on: random.chance(0.5) });
  const sometimes = (name, make) => (random.chance(0.8) ? { [name]: make() } : {});
  return Array.from({ length: count }, (_, rank) => ({
    id: `d${String(rank).padStart(3, "0")}`,
    pk: random.pick(KEYS),
    rank: (rank * 37) % count,
    ...sometimes("n", quarter),
    ...sometimes("word", () => random.pick(WORDS)),
    ...sometimes("flag", () => random.pick([true, false, null])),
    ...sometimes("mixed", mixed),
    ...sometimes("tags", () => random.several(3, () => random.pick(WORDS))),
    ...sometimes("items", () => random.several(3, item)),
    ...sometimes("deep", () => ({ x: quarter(), ...sometimes("y", () => ({ z: random.pick(WORDS) })) })),
  }));
}

/** A text literal, in either kind of quotes. */
function literal(random, text) {
  const quote = random.pick(["'", '"']);
  return quote + text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote;
}

/** Makes queries over the documents. Each kind of query is a method that returns its text and whether its rows are ordered. */
export class QueryGenerator {
  constructor(random, count) {
    this.random = random;
    this.count = count;
  }

  number(depth = 2) {
    const { random } = this;
    const constant = () => String(random.below(40) / 4);
    if (depth === 0) return random.pick(["c.n", "c.rank", "c.deep.x", 'c["n"]', constant()]);
    const inner = () => this.number(depth - 1);
    return random.pick([
      () => this.number(0),
      () => `(${inner()} ${random.pick(["+", "-", "*"])} ${inner()})`,
      () => `(c.rank % ${1 + random.below(7)})`,
      () => `(${inner()} / ${random.pick([2, 4, 0.5])})`,
      () => `-(${inner()})`,
      () => `${random.pick(["ABS", "FLOOR", "CEILING", "SIGN", "TRUNC", "SQUARE"])}(${inner()})`,
      () => `ROUND(ABS(${inner()}) + 0.25)`,
      () => `LENGTH(${this.text(depth - 1)})`,
      () => "ARRAY_LENGTH(c.tags)",
      () => `INDEX_OF(${this.text(0)}, ${literal(random, random.pick(["e", "r", "x"]))})`,
      () => `(${random.pick(["c.n", "c.deep.x"])} ?? ${constant()})`,
    ])();
  }

  text(depth = 2) {
    const { random } = this;
    if (depth === 0) return random.pick(["c.word", "c.pk", "c.id", "c.deep.y.z", "c.tags[0]", 'c["word"]', literal(random, random.pick(WORDS))]);
    const inner = () => this.text(depth - 1);
    return random.pick([
      () => this.text(0),
      () => `${random.pick(["UPPER", "LOWER", "REVERSE", "TRIM"])}(${random.pick(["c.pk", "c.id", "c.items[0].name"])})`,
      () => `CONCAT(${inner()}, ${inner()})`,
      () => `(${inner()} || ${inner()})`,
      () => `${random.pick(["LEFT", "RIGHT"])}(${inner()}, ${1 + random.below(4)})`,
      () => `SUBSTRING(c.id, ${random.below(3)}, ${1 + random.below(3)})`,
      () => "REPLACE(c.id, 'd', 'D')",
      () => `REPLICATE(c.pk, ${random.below(3)})`,
      () => `(${inner()} ?? 'none')`,
      () => `(IS_DEFINED(c.word) ? ${inner()} : 'none')`,
    ])();
  }

  /** A comparison that is undefined, or false in the other engine, for values of another type. */
  comparison() {
    const { random } = this;
    const operator = random.pick(["=", "<", "<=", ">", ">="]);
    return random.pick([
      () => `${this.number(1)} ${operator} ${this.number(1)}`,
      () => `${this.text(1)} ${operator} ${this.text(1)}`,
      () => `c.mixed ${operator} ${random.pick(["2", "'m'", "true", "null"].slice(0, operator === "=" ? 4 : 2))}`,
      () => `c.flag = ${random.pick(["true", "false", "null"])}`,
      () => `c.n BETWEEN ${random.below(10) - 10} AND ${random.below(10)}`,
      () => `c.pk IN (${literal(random, random.pick(KEYS))}, ${literal(random, random.pick(KEYS))})`,
      () => `c.word IN (${literal(random, random.pick(WORDS))}, ${literal(random, random.pick(WORDS))})`,
    ])();
  }

  /** A condition that is true or false for every document. */
  certain() {
    const { random } = this;
    const property = random.pick(["c.n", "c.word", "c.flag", "c.mixed", "c.tags", "c.deep", "c.deep.y", "c.nope"]);
    return random.pick([
      () => `${random.pick(["IS_DEFINED", "IS_NUMBER", "IS_STRING", "IS_NULL", "IS_BOOL", "IS_ARRAY", "IS_OBJECT", "IS_PRIMITIVE"])}(${property})`,
      () => `c.rank ${random.pick(["<", ">", "<=", ">=", "=", "!="])} ${random.below(this.count)}`,
      () => `STARTSWITH(c.pk, ${literal(random, random.pick(["n", "s", "Z", "we"]))})`,
      () => `CONTAINS(c.id, ${literal(random, String(random.below(10)))})`,
      () => `ENDSWITH(c.id, ${literal(random, String(random.below(10)))})`,
      () => `(IS_NUMBER(c.n) AND c.n != ${random.below(10)})`,
      () => `EXISTS(${this.subquery()})`,
    ])();
  }

  subquery() {
    const { random } = this;
    return random.pick([
      () => `SELECT VALUE w FROM w IN c.tags WHERE w = ${literal(random, random.pick(WORDS))}`,
      () => `SELECT VALUE e.name FROM e IN c.items WHERE e.size ${random.pick(["<", ">"])} ${random.below(10)}`,
      () => `SELECT VALUE e.size FROM e IN c.items WHERE e.on = true AND e.name > 'o'`,
    ])();
  }

  condition(depth = 2) {
    const { random } = this;
    if (depth === 0) return random.chance(0.5) ? this.comparison() : this.certain();
    const inner = () => this.condition(depth - 1);
    return random.pick([
      () => inner(),
      () => `(${inner()} AND ${inner()})`,
      () => `(${inner()} OR ${inner()})`,
      () => `(NOT (${this.certain()}))`,
      () => `ARRAY_CONTAINS(c.tags, ${literal(random, random.pick(WORDS))})`,
      () => `ARRAY_CONTAINS(c.items, {"name": ${literal(random, random.pick(NAMES))}}, true)`,
      () => `ARRAY_CONTAINS([1, 2, 3, 'red'], ${random.pick(["c.rank", "c.word"])})`,
    ])();
  }

  projection() {
    const value = () => this.random.pick([() => this.number(), () => this.text(), () => "c.mixed", () => "c.deep", () => "c.tags"])();
    return this.random.pick([
      () => `VALUE ${value()}`,
      () => `c.id, ${value()} AS a, ${value()} AS b`,
      () => `VALUE {"id": c.id, "list": [${value()}, ${value()}]}`,
      () => `c.id, c.pk, c.mixed`,
    ])();
  }

  where() {
    return this.random.chance(0.8) ? ` WHERE ${this.condition()}` : "";
  }

  filter() {
    return { text: `SELECT ${this.projection()} FROM c${this.where()}` };
  }

  order() {
    const direction = this.random.pick(["", " ASC", " DESC"]);
    const order = `ORDER BY c.${this.random.pick(["rank", "id"])}${direction}`;
    // Whether TOP counts a row without a value is not documented.
    const top = this.random.chance(0.3);
    const columns = top ? `TOP ${1 + this.random.below(20)} c.id, ${this.number()} AS a` : this.projection();
    return { text: `SELECT ${columns} FROM c${this.where()} ${order}`, ordered: true };
  }

  aggregate() {
    const { random } = this;
    const enough = `c.rank < ${20 + random.below(this.count)}`;
    const value = random.pick(["c.n", "c.rank", "(c.n * 2)", "ABS(c.n)"]);
    return random.pick([
      () => ({ text: `SELECT VALUE COUNT(${random.pick(["1", "c.n", "c.nope", "c.mixed"])}) FROM c${this.where()}` }),
      () => ({ text: `SELECT VALUE ${random.pick(["SUM", "AVG", "MIN", "MAX"])}(${value}) FROM c WHERE ${enough}` }),
      () => ({ text: `SELECT COUNT(1) AS n, SUM(${value}) AS s, MIN(${value}) AS low, MAX(${value}) AS high FROM c WHERE ${enough}` }),
    ])();
  }

  join() {
    const { random } = this;
    const where = this.where();
    const and = where ? `${where} AND` : " WHERE";
    return random.pick([
      () => ({ text: `SELECT c.id, t FROM c JOIN t IN c.tags${where}` }),
      () => ({ text: `SELECT c.id, i.name, i.size FROM c JOIN i IN c.items${and} i.size > ${random.below(8)}` }),
      () => ({ text: `SELECT VALUE {"t": t, "s": i.size} FROM c JOIN t IN c.tags JOIN i IN c.items${and} i.on = ${random.chance(0.5)}` }),
      () => ({ text: `SELECT VALUE i FROM c JOIN i IN c.items${where}` }),
      () => ({ text: `SELECT VALUE COUNT(1) FROM c JOIN t IN c.tags${where}` }),
      () => ({ text: `SELECT c.id, s FROM c JOIN (SELECT VALUE i FROM i IN c.items WHERE i.size >= ${random.below(8)}) AS s` }),
    ])();
  }

  subqueries() {
    const { random } = this;
    return random.pick([
      () => ({ text: `SELECT c.id, EXISTS(${this.subquery()}) AS found FROM c${this.where()}` }),
      () => ({ text: `SELECT c.id, ARRAY(${this.subquery()}) AS list FROM c${this.where()}` }),
      () => ({ text: `SELECT c.id, (SELECT VALUE COUNT(1) FROM i IN c.items WHERE i.size < ${random.below(10)}) AS n FROM c${this.where()}` }),
      () => ({ text: `SELECT VALUE ARRAY(SELECT VALUE i.name FROM i IN c.items WHERE i.on) FROM c WHERE EXISTS(${this.subquery()})` }),
    ])();
  }

  /** A filter with its values in parameters. */
  parameters() {
    const { random } = this;
    const parameters = [
      { name: "@n", value: random.below(40) / 4 },
      { name: "@word", value: random.pick(WORDS) },
      { name: "@keys", value: [random.pick(KEYS), random.pick(KEYS)] },
    ];
    const condition = random.pick(["c.n < @n", "c.word = @word", "ARRAY_CONTAINS(@keys, c.pk)", "CONTAINS(c.word, @word)"]);
    const other = random.pick(["c.n >= @n", "c.word >= @word", "ARRAY_CONTAINS(c.tags, @word)"]);
    return { text: `SELECT c.id, @n AS n FROM c WHERE ${condition} ${random.pick(["AND", "OR"])} ${other}`, parameters };
  }
}

/** The kinds of queries, each a method of QueryGenerator. */
export const KINDS = ["filter", "order", "aggregate", "join", "subqueries", "parameters"];
