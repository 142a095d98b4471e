// Writes the sample data: the postal codes of North Carolina from the npm package `zipcodes`, as a JSON array with one document
// per line, sorted by postal code. The same package always gives the same bytes.
//
//     node scripts/sample-data.mjs <folder of the package> <file to write>

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const REQUIRED = { 28035: "Davidson", 28036: "Davidson" };

const [packageFolder, file] = process.argv.slice(2);
if (!packageFolder || !file) {
  console.error("usage: node scripts/sample-data.mjs <folder of the npm package zipcodes> <file to write>");
  process.exit(2);
}

const { codes } = createRequire(import.meta.url)(resolve(packageFolder));
const rows = Object.values(codes)
  .filter(({ country, state }) => country === "US" && state === "NC")
  .map(({ zip, country, city, state, latitude, longitude }) => ({
    postal_cd: zip,
    country_cd: country,
    city_name: city,
    state_abbrv: state,
    latitude,
    longitude,
    location: { type: "Point", coordinates: [longitude, latitude] },
  }))
  .sort((a, b) => (a.postal_cd < b.postal_cd ? -1 : 1));

check(rows);
writeFileSync(file, `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`);
console.log(`${file}: ${rows.length} postal codes`);

function check(rows) {
  const codes = new Set();
  for (const row of rows) {
    const { postal_cd, city_name, latitude, longitude } = row;
    const found = JSON.stringify(row);
    if (!/^\d{5}$/.test(postal_cd)) throw new Error(`invalid postal code: ${found}`);
    if (codes.has(postal_cd)) throw new Error(`duplicate postal code: ${found}`);
    if (typeof city_name !== "string" || city_name === "") throw new Error(`no city name: ${found}`);
    // A generous bounding box of North Carolina. Swapped or missing coordinates fall outside.
    const inState = latitude > 33 && latitude < 37 && longitude > -85 && longitude < -75;
    if (typeof latitude !== "number" || typeof longitude !== "number" || !inState) {
      throw new Error(`coordinates outside North Carolina: ${found}`);
    }
    codes.add(postal_cd);
  }
  for (const [code, city] of Object.entries(REQUIRED)) {
    if (!rows.some((row) => row.postal_cd === code && row.city_name === city)) {
      throw new Error(`${code} ${city} is missing`);
    }
  }
}
