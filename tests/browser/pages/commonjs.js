// The few lines of a module loader that JsSIP, which is published as CommonJS, needs in a browser.
"use strict";

const PACKAGES = {
  jssip: "jssip/lib/JsSIP.js",
  debug: "debug/src/browser.js",
  events: "events/events.js",
  ms: "ms/index.js",
  "sdp-transform": "sdp-transform/lib/index.js",
};
const loaded = new Map();

function text(url) {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.send();
  return request.status === 200 ? request.responseText : null;
}

function load(url) {
  if (loaded.has(url)) return loaded.get(url).exports;
  const source = text(url);
  if (source === null) throw new Error(`no module at ${url}`);
  const module = { exports: {} };
  loaded.set(url, module);
  if (url.endsWith(".json")) {
    module.exports = JSON.parse(source);
    return module.exports;
  }
  const require = (name) => {
    if (!name.startsWith(".")) return load(new URL(`/node_modules/${PACKAGES[name]}`, location).href);
    return load(new URL(/\.js(on)?$/.test(name) ? name : `${name}.js`, url).href);
  };
  new Function("module", "exports", "require", source)(module, module.exports, require);
  return module.exports;
}

window.requirePackage = (name) => load(new URL(`/node_modules/${PACKAGES[name]}`, location).href);
