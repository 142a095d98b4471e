// Creates a container in Azurite and prints its URL with a shared access signature (SAS) that allows everything in it.
//
//     node scripts/azurite.mjs <http://host:port> <container>

import { createHmac } from "node:crypto";

const ACCOUNT = "devstoreaccount1";
// The emulator's key is public.
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const [endpoint, container] = process.argv.slice(2);
if (!endpoint || !container) {
  console.error("usage: node scripts/azurite.mjs <http://host:port> <container>");
  process.exit(2);
}

const url = `${endpoint}/${ACCOUNT}/${container}`;
const sas = signature({ sp: "rwdlc", ss: "b", srt: "sco", se: "2099-01-01T00:00:00Z", sv: "2022-11-02" });
const created = await fetch(`${url}?restype=container&${sas}`, { method: "PUT" });
if (!created.ok) throw new Error(`could not create container ${container}: ${created.status} ${await created.text()}`);
console.log(`${url}?${sas}`);

// The format is described in "Create an account SAS" in Microsoft's documentation.
function signature({ sp, ss, srt, se, sv }) {
  const text = [ACCOUNT, sp, ss, srt, "", se, "", "", sv, "", ""].join("\n");
  const sig = createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
  return new URLSearchParams({ sv, ss, srt, sp, se, sig }).toString();
}
