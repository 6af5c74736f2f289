// Node's own HTTP/2 client against the API: node http2_client.mjs URL KEY [AUTHORITY.pem]
// Prints, as one line of JSON, what came back over one connection: sequentially, in parallel, with a body, and with HEAD.
import fs from "node:fs";
import http2 from "node:http2";

const [url, key, authority] = process.argv.slice(2);
const session = http2.connect(url, authority ? { ca: fs.readFileSync(authority) } : {});
session.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

const ask = (headers, body) =>
  new Promise((resolve, reject) => {
    const request = session.request({ authorization: `Bearer ${key}`, ...headers });
    const chunks = [];
    let answered;
    request.on("response", (headers) => (answered = headers));
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () =>
      resolve({
        status: answered[":status"],
        requestId: answered["x-request-id"],
        replayed: answered["idempotent-replay"] ?? null,
        body: Buffer.concat(chunks).toString(),
      }),
    );
    request.on("error", reject);
    request.end(body);
  });

const create = { ":method": "POST", ":path": "/v1/things", "content-type": "application/json", "idempotency-key": "h2" };
const me = await ask({ ":path": "/v1/me" });
const many = await Promise.all(Array.from({ length: 40 }, () => ask({ ":path": "/v1/me" })));
const first = await ask(create, '{"name": "a"}');
const again = await ask(create, '{"name": "a"}');
const head = await ask({ ":method": "HEAD", ":path": "/v1/me" });
const large = await ask({ ...create, "idempotency-key": "large" }, Buffer.alloc(20_000_000, " "));
const unknown = await ask({ ":path": "/v1/nowhere" });
console.log(JSON.stringify({ protocol: session.alpnProtocol, me, many, first, again, head, large, unknown }));
session.close();
